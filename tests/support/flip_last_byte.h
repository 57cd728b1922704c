#pragma once

#include <fstream>
#include <string>

namespace roundlab::testing {

/// Damages a file by one bit, which its size does not tell.
inline void FlipLastByte(const std::string& file) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(-1, std::ios::end);
  const char last = static_cast<char>(bytes.get() ^ 1);
  bytes.seekp(-1, std::ios::end);
  bytes.put(last);
}

}  // namespace roundlab::testing
