#include "core/base/atomic_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "core/base/files.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::ErrorOf;
using testing::TempFolder;

TEST(AtomicFileTest, StandsUnderItsNameOnceItIsCommitted) {
  const TempFolder folder;
  const std::string path = folder.Write("f", "old");
  {
    AtomicFile file(path);
    file.Write("new ");
    file.Write("text");
    EXPECT_EQ(ReadFile(path), "old");
    file.Commit();
    EXPECT_EQ(ReadFile(path), "new text");
  }
  EXPECT_EQ(ReadFile(path), "new text");
  EXPECT_FALSE(fs::exists(path + ".part"));
}

TEST(AtomicFileTest, WithoutCommitTheOldFileStays) {
  const TempFolder folder;
  const std::string path = folder.Write("f", "old");
  { AtomicFile(path).Write("new"); }
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_FALSE(fs::exists(path + ".part"));
}

TEST(AtomicFileTest, WhatAKilledWriterLeftIsNoPartOfTheNextFile) {
  const TempFolder folder;
  const std::string path = folder / "f";
  folder.Write("f.part", "a long text of a writer that was killed");
  AtomicFile file(path, AtomicFile::Flush::kLater);
  file.Write("x");
  file.Commit();
  EXPECT_EQ(ReadFile(path), "x");
}

TEST(AtomicFileTest, ASecondWriterWaitsForTheFirst) {
  const TempFolder folder;
  const std::string path = folder / "f";
  std::thread other;
  {
    AtomicFile first(path);
    other = std::thread([&path] {
      AtomicFile second(path);
      EXPECT_EQ(ReadFile(path), "first");
      second.Write("second");
      second.Commit();
    });
    first.Write("first");
    first.Commit();
  }
  other.join();
  EXPECT_EQ(ReadFile(path), "second");
  EXPECT_FALSE(fs::exists(path + ".part"));
}

TEST(AtomicFileTest, ErrorsNameTheFileAndTheReason) {
  const TempFolder folder;
  const std::string below = folder.Write("f", "") + "/g";
  EXPECT_EQ(ErrorOf([&] { AtomicFile file(below); }), below + ": cannot write: Not a directory");
  fs::create_directories(folder / "d/e");
  EXPECT_EQ(ErrorOf([&] { AtomicFile(folder / "d").Commit(); }),
            folder / "d" + ": cannot write: Is a directory");
  EXPECT_FALSE(fs::exists(folder / "d.part"));
}

}  // namespace
}  // namespace roundlab
