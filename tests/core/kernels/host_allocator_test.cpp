#include "core/kernels/host_allocator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "tests/support/sanitized.h"

namespace roundlab {
namespace {

class HostAllocatorTest : public ::testing::Test {
 protected:
  HostAllocatorTest() { TakeTensorsFromMalloc(); }
};

TEST_F(HostAllocatorTest, TensorsBeginAtALineAndHoldWhatIsWritten) {
  std::vector<at::Tensor> tensors;
  for (std::int64_t n = 0; n < 200; ++n) {
    tensors.push_back(at::full({n}, static_cast<double>(n), at::kFloat));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensors.back().data_ptr()) % 64, 0U);
  }
  tensors.push_back(at::ones({20 << 20}, at::kByte).resize_({40 << 20}).narrow(0, 0, 20 << 20));
  EXPECT_TRUE(tensors.back().eq(1).all().item<bool>());
  for (std::int64_t n = 0; n < 200; ++n) {
    EXPECT_TRUE(tensors[static_cast<std::size_t>(n)].eq(n).all().item<bool>()) << n;
  }
}

TEST_F(HostAllocatorTest, AFreedPlaceHoldsTheNextTensorOfItsSize) {
  if (testing::kSanitized) GTEST_SKIP() << "the sanitizer uses no place again";
  // Large enough for no list of small blocks, not for pages of its own.
  at::Tensor first = at::empty({20000}, at::kFloat);
  const at::Tensor behind = at::empty({20000}, at::kFloat);
  // Its own, and perhaps one that was free before and fits better.
  std::set<const void*> places = {first.data_ptr()};
  for (int i = 0; i < 10; ++i) {
    first.reset();
    first = at::empty({20000}, at::kFloat);
    places.insert(first.data_ptr());
  }
  EXPECT_LE(places.size(), 2U);
}

TEST_F(HostAllocatorTest, WhatDoesNotFitIsOutOfMemory) {
  if (testing::kSanitized) GTEST_SKIP() << "the sanitizer stops the program";
  EXPECT_THROW(at::empty({std::int64_t{1} << 60}, at::kByte), c10::OutOfMemoryError);
}

}  // namespace
}  // namespace roundlab
