#include "core/base/file_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <future>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::TempFolder;

ino_t FileNumber(const std::string& path) {
  struct stat found = {};
  EXPECT_EQ(::stat(path.c_str(), &found), 0);
  return found.st_ino;
}

ino_t FileNumber(int file) {
  struct stat found = {};
  EXPECT_EQ(::fstat(file, &found), 0);
  return found.st_ino;
}

TEST(FileLockTest, OneHasItUntilItIsClosed) {
  const TempFolder folder;
  const std::string path = folder / "lock";
  const int first = OpenLocked(path, IfLocked::kGiveUp);
  ASSERT_GE(first, 0);
  EXPECT_EQ(OpenLocked(path, IfLocked::kGiveUp), -EWOULDBLOCK);
  const int copy = ::dup(first);
  ::close(first);
  EXPECT_EQ(OpenLocked(path, IfLocked::kGiveUp), -EWOULDBLOCK);
  ::close(copy);
  const int next = OpenLocked(path, IfLocked::kGiveUp);
  EXPECT_GE(next, 0);
  ::close(next);
}

TEST(FileLockTest, ContentsStayAndProgramsThatAreStartedDoNotInheritIt) {
  const TempFolder folder;
  const std::string path = folder.Write("lock", "text");
  const int file = OpenLocked(path, IfLocked::kWait);
  ASSERT_GE(file, 0);
  EXPECT_EQ(::fcntl(file, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(testing::ReadAll(path), "text");
  ::close(file);
}

TEST(FileLockTest, WhoWaitedHasTheFileThatIsThereThen) {
  const TempFolder folder;
  const std::string path = folder / "lock";
  const int first = OpenLocked(path, IfLocked::kGiveUp);
  ASSERT_GE(first, 0);
  auto waiting = std::async(std::launch::async, [&] { return OpenLocked(path, IfLocked::kWait); });
  // Linux lists who waits for a lock behind "->"; without that list the wait is not seen, but the
  // rest holds.
  const std::string own = std::to_string(FileNumber(first)) + " ";
  for (int i = 0; i < 1000; ++i) {
    const std::string locks = testing::ReadAll("/proc/locks");
    const std::size_t blocked = locks.find("-> FLOCK");
    if (blocked != std::string::npos && locks.find(own, blocked) != std::string::npos) break;
    ::poll(nullptr, 0, 1);
  }
  std::filesystem::rename(folder.Write("new", ""), path);
  const ino_t named = FileNumber(path);
  ::close(first);
  const int second = waiting.get();
  ASSERT_GE(second, 0);
  EXPECT_EQ(FileNumber(second), named);
  EXPECT_EQ(OpenLocked(path, IfLocked::kGiveUp), -EWOULDBLOCK);
  ::close(second);
}

TEST(FileLockTest, WhatCannotBeOpenedSaysWhy) {
  const TempFolder folder;
  EXPECT_EQ(OpenLocked(folder / "none/lock", IfLocked::kWait), -ENOENT);
  EXPECT_EQ(OpenLocked(folder.path(), IfLocked::kWait), -EISDIR);
}

}  // namespace
}  // namespace roundlab
