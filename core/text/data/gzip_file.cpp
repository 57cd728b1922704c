#include "core/text/data/gzip_file.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"

namespace roundlab {
namespace {

constexpr std::string_view kGzipMark = "\x1f\x8b";

/// Unpacks the member that `packed` begins with; the bytes that it has.
std::size_t UnpackMember(std::string_view packed, std::string* text) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (inflateInit2(&stream, kGzip) != Z_OK) throw Error("zlib can't begin");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::vector<char> buffer(std::size_t{1} << 18);
  std::size_t given = 0;
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      if (given == packed.size()) throw Error("unexpected end of file");
      const std::size_t more = std::min(packed.size() - given, std::size_t{1} << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + given));
      stream.avail_in = static_cast<uInt>(more);
      given += more;
    }
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      code = inflate(&stream, Z_NO_FLUSH);
      text->append(buffer.data(), buffer.size() - stream.avail_out);
    } while (code == Z_OK && stream.avail_out == 0);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      throw Error(stream.msg != nullptr ? stream.msg : "zlib's error " + std::to_string(code));
    }
  }
  return given - stream.avail_in;
}

}  // namespace

bool HasGzipName(std::string_view path) { return path.ends_with(".gz") || path.ends_with(".GZ"); }

std::string ReadGzip(const std::string& path) {
  std::string packed = ReadFile(path);
  if (!packed.starts_with(kGzipMark)) return packed;
  std::string text;
  try {
    for (std::size_t at = 0; at < packed.size();) {
      at += UnpackMember(std::string_view(packed).substr(at), &text);
      at = std::min(packed.find_first_not_of('\0', at), packed.size());
      if (at < packed.size() && !std::string_view(packed).substr(at).starts_with(kGzipMark)) {
        throw Error("the bytes behind a member, from offset " + std::to_string(at) +
                    " on, are no gzip");
      }
    }
  } catch (const Error& e) {
    throw Error(path + ": broken gzip file: " + e.what());
  }
  return text;
}

}  // namespace roundlab
