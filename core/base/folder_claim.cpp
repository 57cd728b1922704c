#include "core/base/folder_claim.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/base/file_lock.h"

namespace roundlab {

std::optional<FolderClaim> FolderClaim::Try(const std::string& folder) {
  const std::string file = folder + "/lock";
  const int opened = OpenLocked(file, IfLocked::kGiveUp);
  if (opened >= 0) return FolderClaim(opened);
  if (opened == -EWOULDBLOCK) return std::nullopt;
  throw Error(file + ": cannot lock: " + std::strerror(-opened));
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
