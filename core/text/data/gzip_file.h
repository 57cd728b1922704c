#pragma once

#include <string>
#include <string_view>

namespace roundlab {

/// Whether a file's name ends in .gz, or .GZ.
bool HasGzipName(std::string_view path);

/// The unpacked bytes of a gzip file, of all its members; a file that does not begin as gzip does
/// gives its bytes as they are. Bytes of 0 between and behind members are passed over, as Python
/// does. Throws Error "<path>: cannot open: ..." and "<path>: broken gzip file: ..." where it is
/// cut short, damaged, or has other bytes behind a member.
std::string ReadGzip(const std::string& path);

}  // namespace roundlab
