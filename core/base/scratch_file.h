#pragma once

#include <cstddef>
#include <string>

namespace roundlab {

/// Memory that lies on disk: a file without a name, mapped, whose pages the system writes out and
/// reads in as it needs room. It goes with the object, and with the process however that ends.
class ScratchFile {
 public:
  /// All bytes 0. Throws Error("<folder>: no room for a file of 12.5 GiB: No space left on
  /// device"): the room is taken at once, so that no write fails later.
  ScratchFile(const std::string& folder, std::size_t bytes);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace roundlab
