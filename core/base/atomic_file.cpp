#include "core/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/file_lock.h"

namespace roundlab {
namespace {

/// Flushes the folder, in which the file's new name stands. Not every file system can.
void FlushFolderOf(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const int opened =
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return;
  ::fsync(opened);
  ::close(opened);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, Flush flush)
    : path_(path), part_(path + ".part"), flush_(flush) {
  const int opened = OpenLocked(part_, IfLocked::kWait);
  if (opened < 0) Fail(-opened);
  // EINVAL: no regular file.
  if (::ftruncate(opened, 0) != 0 && errno != EINVAL) {
    const int reason = errno;
    ::unlink(part_.c_str());
    ::close(opened);
    Fail(reason);
  }
  file_ = opened;
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  // Before the lock ends: who waits for it sees that the file is another one.
  if (!committed_) ::unlink(part_.c_str());
  ::close(file_);
}

void AtomicFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::Commit() {
  if (flush_ == Flush::kToDisk && ::fsync(file_) != 0) Fail(errno);
  if (std::rename(part_.c_str(), path_.c_str()) != 0) Fail(errno);
  committed_ = true;
  if (flush_ == Flush::kToDisk) FlushFolderOf(path_);
}

void AtomicFile::Fail(int reason) const {
  throw Error(path_ + ": cannot write: " + std::strerror(reason));
}

}  // namespace roundlab
