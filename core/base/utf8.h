#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace roundlab {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  ///< some texts begin by it

/// `text` behind the mark, where it begins by one.
inline std::string_view BehindMark(std::string_view text) {
  return text.starts_with(kByteOrderMark) ? text.substr(kByteOrderMark.size()) : text;
}

struct BadByte {
  std::size_t offset = 0;
  std::string text;  ///< "byte 0xFF"
};
/// The first byte that begins no well-formed sequence (RFC 3629: no surrogates, no overlong forms,
/// at most U+10FFFF); none in UTF-8.
std::optional<BadByte> FirstBadByte(std::string_view text);

/// Throws Error "text is not UTF-8: byte 0xNN at offset N" at the FirstBadByte.
void CheckUtf8(std::string_view text);

/// Bytes of the sequence that `first_byte` begins, in well-formed text.
inline std::size_t Utf8Length(char first_byte) {
  const auto byte = static_cast<unsigned char>(first_byte);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

/// The code point at `*position` of well-formed text; moves `*position` behind it.
char32_t NextCodePoint(std::string_view text, std::size_t* position);

/// The last code point of well-formed, non-empty text.
char32_t LastCodePoint(std::string_view text);

void AppendUtf8(char32_t code_point, std::string* out);

/// `bytes` with each maximal ill-formed part replaced by U+FFFD (Unicode 15, section 3.9).
std::string ReplaceInvalidUtf8(std::string_view bytes);

}  // namespace roundlab
