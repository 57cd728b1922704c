#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace roundlab {

/// A whole file, read-only, memory-mapped for the life of the object. Movable.
class MappedFile {
 public:
  /// Throws Error("<path>: cannot open: <reason>") where the file is missing, not readable or a
  /// folder.
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace roundlab
