#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "core/formats/mapped_file.h"

namespace roundlab {

/// Where the entries of a zip archive lie in `file` (PKWARE APPNOTE 4.3, zip64 included), by name.
/// Only entries that are stored as they are: torch.save compresses nothing, and what is mapped is
/// read in place, where libraries give streams. Throws Error naming file and entry where there is
/// no archive, or one that is cut off, encrypted, compressed, or holds a name twice.
std::map<std::string, std::span<const std::byte>> ZipEntries(const MappedFile& file);

}  // namespace roundlab
