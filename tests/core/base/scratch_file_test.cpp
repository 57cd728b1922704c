#include "core/base/scratch_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/base/error.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

TEST(ScratchFileTest, KeepsWhatIsWrittenAndHasNoName) {
  const TempFolder folder;
  constexpr std::size_t kBytes = 3 << 20;
  const ScratchFile file(folder.path(), kBytes);
  auto* bytes = static_cast<char*>(file.data());
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[kBytes - 1], 0);
  bytes[kBytes - 1] = 7;
  EXPECT_EQ(bytes[kBytes - 1], 7);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(ScratchFileTest, OfNoBytesIsNothing) { EXPECT_EQ(ScratchFile("/nowhere", 0).data(), nullptr); }

TEST(ScratchFileTest, NamesTheFolderThatHasNoRoom) {
  EXPECT_EQ(ErrorOf([] { const ScratchFile file("/nowhere", std::size_t{3} << 29); }),
            "/nowhere: no room for a file of 1.5 GiB: No such file or directory");
}

}  // namespace
}  // namespace roundlab
