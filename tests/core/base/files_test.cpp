#include "core/base/files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::ErrorOf;
using testing::NotRoot;
using testing::TempFolder;

TEST(ReadFileTest, GivesAllBytes) {
  const TempFolder folder;
  const std::string bytes("a\0\r\n\xff", 5);
  EXPECT_EQ(ReadFile(folder.Write("f", bytes)), bytes);
  EXPECT_EQ(ReadFile(folder.Write("g", "")), "");
}

TEST(ReadFileTest, ErrorsNameTheFileAndTheReason) {
  const TempFolder folder;
  const std::string none = folder / "none";
  EXPECT_EQ(ErrorOf([&] { ReadFile(none); }), none + ": cannot open: No such file or directory");
  EXPECT_EQ(ErrorOf([&] { ReadFile(folder.path()); }),
            folder.path() + ": cannot open: is a folder");
}

TEST(WriteFileAtomicallyTest, ReplacesTheWholeFile) {
  const TempFolder folder;
  const std::string file = folder.Write("f", "the old, longer text");
  WriteFileAtomically(file, "new");
  EXPECT_EQ(ReadFile(file), "new");
  WriteFileAtomically(file, "");
  EXPECT_EQ(ReadFile(file), "");
  EXPECT_FALSE(fs::exists(file + ".part"));
}

TEST(WriteFileAtomicallyTest, WhereItCannotWriteTheOldFileStays) {
  const TempFolder folder;
  const std::string below = folder.Write("f", "old") + "/g";
  EXPECT_EQ(ErrorOf([&] { WriteFileAtomically(below, "x"); }),
            below + ": cannot write: Not a directory");
  fs::create_directories(folder / "d/e");  // a folder can't be replaced by a file
  EXPECT_EQ(ErrorOf([&] { WriteFileAtomically(folder / "d", "x"); }),
            folder / "d" + ": cannot write: Is a directory");
  EXPECT_FALSE(fs::exists(folder / "d.part"));
  EXPECT_EQ(ReadFile(folder / "f"), "old");
}

TEST(WriteFileAtomicallyTest, AFullDiskIsTold) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const TempFolder folder;
  const std::string file = folder.Write("f", "old");
  fs::create_symlink("/dev/full", file + ".part");
  EXPECT_EQ(ErrorOf([&] { WriteFileAtomically(file, "x"); }),
            file + ": cannot write: No space left on device");
  EXPECT_EQ(ReadFile(file), "old");
  EXPECT_FALSE(fs::is_symlink(file + ".part"));
}

TEST(MakeFolderTest, MakesParentsAndTakesWhatIsThere) {
  const TempFolder folder;
  MakeFolder(folder / "a/b/c");
  MakeFolder(folder / "a/b/c");
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  const std::string below = folder.Write("f", "") + "/g";
  EXPECT_EQ(ErrorOf([&] { MakeFolder(below); }),
            below + ": cannot make this folder: Not a directory");
  fs::permissions(folder.path(), fs::perms::owner_all | fs::perms::others_exec);
  const NotRoot nobody;
  EXPECT_EQ(ErrorOf([&] { MakeFolder(folder / "d"); }),
            folder / "d" + ": cannot make this folder: Permission denied");
}

TEST(WriteFileAtomicallyTest, SeveralMayWriteOneFileAtOnce) {
  const TempFolder folder;
  const std::string path = folder / "file";
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&path, writer] {
      for (int i = 0; i < 20; ++i) {
        WriteFileAtomically(path, std::string(10000, static_cast<char>('a' + writer)));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string text = ReadFile(path);
  EXPECT_EQ(text, std::string(10000, text.empty() ? ' ' : text[0]));
  EXPECT_FALSE(fs::exists(path + ".part"));
}

TEST(LinesTest, EndsAreNotLinesOfTheirOwn) {
  using Texts = std::vector<std::string_view>;
  EXPECT_EQ(Lines(std::string_view("")), Texts());
  EXPECT_EQ(Lines(std::string_view("a")), Texts({"a"}));
  EXPECT_EQ(Lines(std::string_view("a\n\nb\n")), Texts({"a", "", "b"}));
  EXPECT_EQ(Lines(std::string_view("\n")), Texts({""}));
}

}  // namespace
}  // namespace roundlab
