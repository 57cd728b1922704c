#include "core/base/folder_claim.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/interrupt.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::ErrorOf;
using testing::TempFolder;

TEST(FolderClaimTest, OneHasItUntilItIsGone) {
  const TempFolder folder;
  {
    const auto claim = FolderClaim::Try(folder.path());
    ASSERT_TRUE(claim);
    EXPECT_FALSE(FolderClaim::Try(folder.path()));
  }
  EXPECT_TRUE(FolderClaim::Try(folder.path()));
  EXPECT_TRUE(fs::exists(folder / "lock"));
}

TEST(FolderClaimTest, IsOnTheFileThatIsThereNow) {
  const TempFolder folder;
  const auto old = FolderClaim::Try(folder.path());
  fs::remove(folder / "lock");  // as who empties the folder does
  const auto next = FolderClaim::Try(folder.path());
  ASSERT_TRUE(next);
  EXPECT_TRUE(fs::exists(folder / "lock"));
  EXPECT_FALSE(FolderClaim::Try(folder.path()));
}

TEST(FolderClaimTest, ErrorsNameTheFile) {
  const TempFolder folder;
  const std::string file = folder.Write("f", "");
  EXPECT_EQ(ErrorOf([&] { FolderClaim::Try(file); }), file + "/lock: cannot lock: Not a directory");
}

/// Exit code of a child that calls `run`.
template <class Run>
int InChild(const Run& run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(StopWithParentTest, AParentThatHasEndedBeforeAsksForTheStopToo) {
  const pid_t self = ::getpid();
  EXPECT_EQ(InChild([&] {
              StopWithParent(self);
              return InterruptRequested() ? 1 : 0;
            }),
            0);
  // The child of a child that has ended: by then somebody else is its parent.
  EXPECT_EQ(InChild([&] {
              StopWithParent(self + 1);
              return InterruptRequested() ? 1 : 0;
            }),
            1);
}

}  // namespace
}  // namespace roundlab
