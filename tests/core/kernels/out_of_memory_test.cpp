#include "core/kernels/out_of_memory.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "core/base/error.h"

namespace roundlab {
namespace {

std::string Told(const std::string& reason) {
  try {
    WithinMemory("block_3", "set a smaller batch",
                 [&] { TORCH_CHECK_WITH(OutOfMemoryError, false, reason); });
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(OutOfMemoryTest, SaysWhereWhatWasWantedAndWhatToSet) {
  EXPECT_EQ(Told("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 "
                 "GiB.\nmore lines"),
            "block_3: out of memory (CUDA out of memory. Tried to allocate 2.00 GiB.): set a "
            "smaller batch");
  EXPECT_EQ(Told("no memory"), "block_3: out of memory (no memory): set a smaller batch");
}

TEST(OutOfMemoryTest, PinnedMemoryIsTheMachines) {
  const auto fail = [](int code) {
    return [code] { throw c10::AcceleratorError({__func__, __FILE__, 1}, code, "CUDA error: x"); };
  };
  try {
    WithinMemory("chains", "set a smaller batch", fail(2));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "chains: out of memory (CUDA error: x): set a smaller batch; where it is the "
                 "machine's that is short, --max-memory (GiB) keeps hidden states in a file");
  }
  EXPECT_THROW(WithinMemory("a", "b", fail(700)), c10::AcceleratorError);
}

TEST(OutOfMemoryTest, OtherExceptionsPass) {
  EXPECT_THROW(WithinMemory("a", "b", [] { throw std::out_of_range("c"); }), std::out_of_range);
  int done = 0;
  WithinMemory("a", "b", [&] { ++done; });
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace roundlab
