#pragma once

#include <optional>
#include <string>

namespace roundlab {

/// A claim on a folder: a lock on its file `lock`. The kernel lets go of it when the last process
/// that holds it ends, however that happens. The file stays: who removes a lock may give a folder
/// to two.
class FolderClaim {
 public:
  /// Does not wait: nullopt where somebody else has it. Throws Error where the file can't be
  /// opened.
  static std::optional<FolderClaim> Try(const std::string& folder);
  FolderClaim(FolderClaim&& other) noexcept;
  FolderClaim& operator=(FolderClaim&& other) noexcept;
  ~FolderClaim();
  int file() const { return file_; }

 private:
  explicit FolderClaim(int file) : file_(file) {}
  int file_ = -1;
};

}  // namespace roundlab
