#include "core/base/folder_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/error.h"

namespace roundlab {

std::optional<FolderClaim> FolderClaim::Try(const std::string& folder) {
  const std::string file = folder + "/lock";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) throw Error(file + ": cannot open: " + std::strerror(errno));
  FolderClaim claim(descriptor);
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) throw Error(file + ": cannot lock: " + std::strerror(errno));
  }
  return claim;
}

FolderClaim::FolderClaim(FolderClaim&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FolderClaim& FolderClaim::operator=(FolderClaim&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

FolderClaim::~FolderClaim() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace roundlab
