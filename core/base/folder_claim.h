#pragma once

#include <optional>
#include <string>

namespace roundlab {

/// A claim on a folder that several processes may want to work in: a lock on its file `lock`. The
/// kernel lets go of it when the last process that holds it ends, however that happens.
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
