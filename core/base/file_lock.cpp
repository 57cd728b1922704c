#include "core/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace roundlab {
namespace {

/// Whether the open file is the one that `path` names.
bool Names(const std::string& path, int file) {
  struct stat open_one = {};
  struct stat named = {};
  return ::fstat(file, &open_one) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

}  // namespace

int OpenLocked(const std::string& path, IfLocked if_locked) {
  const int how = LOCK_EX | (if_locked == IfLocked::kGiveUp ? LOCK_NB : 0);
  while (true) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return -errno;
    int failure = 0;
    while (::flock(file, how) != 0 && (failure = errno) == EINTR) failure = 0;
    if (failure != 0 && if_locked == IfLocked::kGiveUp) {
      ::close(file);
      return -failure;
    }
    if (Names(path, file)) return file;
    ::close(file);
  }
}

}  // namespace roundlab
