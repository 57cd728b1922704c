#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/formats/format_files.h"

namespace roundlab::testing {

inline std::string U16(std::size_t value) { return Bytes(static_cast<std::uint16_t>(value)); }
inline std::string U32(std::size_t value) { return Bytes(static_cast<std::uint32_t>(value)); }

/// How an archive differs from a plain one.
struct ZipQuirks {
  std::uint16_t flags = 0;
  std::uint16_t method = 0;  // stored
  bool zip64 = false;        // as for archives of more than 4 GiB
  std::string comment;
};

/// A zip archive of entries that are stored as they are; checksums are left at 0.
inline std::string Zip(const std::vector<std::pair<std::string, std::string>>& entries,
                       const ZipQuirks& quirks = {}) {
  std::string bytes;
  std::string directory;
  const std::string how = Bytes(quirks.flags) + Bytes(quirks.method) + std::string(8, '\0');
  for (const auto& [name, data] : entries) {
    const std::uint64_t header = bytes.size();
    const std::string padding(3, 'p');
    bytes += U32(0x04034b50) + std::string(2, '\0') + how + std::string(8, '\0') +
             U16(name.size()) + U16(padding.size()) + name + padding + data;
    const std::string large = U16(1) + U16(24) + Bytes<std::uint64_t>(data.size()) +
                              Bytes<std::uint64_t>(data.size()) + Bytes(header);
    const std::string other = U16(7) + U16(2) + "xx";
    const std::string extra = quirks.zip64 ? other + large : other;
    directory += U32(0x02014b50) + std::string(4, '\0') + how +
                 U32(quirks.zip64 ? 0xffffffff : data.size()) +
                 U32(quirks.zip64 ? 0xffffffff : data.size()) + U16(name.size()) +
                 U16(extra.size()) + std::string(10, '\0') +
                 U32(quirks.zip64 ? 0xffffffff : header) + name + extra;
  }
  const std::uint64_t begin = bytes.size();
  bytes += directory;
  if (quirks.zip64) {
    const std::uint64_t record = bytes.size();
    bytes += U32(0x06064b50) + std::string(28, '\0') + Bytes<std::uint64_t>(entries.size()) +
             Bytes<std::uint64_t>(directory.size()) + Bytes(begin);
    bytes += U32(0x07064b50) + std::string(4, '\0') + Bytes(record) + std::string(4, '\0');
  }
  const auto count = static_cast<std::uint16_t>(quirks.zip64 ? 0xffff : entries.size());
  return bytes + U32(0x06054b50) + std::string(4, '\0') + Bytes(count) + Bytes(count) +
         U32(directory.size()) + U32(quirks.zip64 ? 0xffffffff : begin) +
         U16(quirks.comment.size()) + quirks.comment;
}

}  // namespace roundlab::testing
