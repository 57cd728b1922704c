#include "core/base/utf8.h"

#include <array>
#include <cstdint>

#include "core/base/error.h"

namespace roundlab {
namespace {

struct ByteSequence {
  std::size_t length = 0;  ///< bytes of the sequence, or of its longest well-formed beginning
  bool valid = false;
};

unsigned char ByteAt(std::string_view text, std::size_t position) {
  return static_cast<unsigned char>(text[position]);
}

// Table 3-7 of the Unicode standard: the second byte's range depends on the first.
ByteSequence Examine(std::string_view text, std::size_t position) {
  const unsigned first = ByteAt(text, position);
  if (first < 0x80) return {1, true};
  if (first < 0xC2 || first > 0xF4) return {1, false};
  const std::size_t length = Utf8Length(text[position]);
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  for (std::size_t i = 1; i < length; ++i) {
    if (position + i >= text.size()) return {i, false};
    const unsigned byte = ByteAt(text, position + i);
    if (byte < low || byte > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

}  // namespace

std::optional<BadByte> FirstBadByte(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (std::size_t position = 0; position < text.size();) {
    const ByteSequence sequence = Examine(text, position);
    if (!sequence.valid) {
      const unsigned byte = ByteAt(text, position);
      return BadByte{position, std::string("byte 0x") + kDigits[byte >> 4] + kDigits[byte & 15]};
    }
    position += sequence.length;
  }
  return std::nullopt;
}

void CheckUtf8(std::string_view text) {
  const auto bad = FirstBadByte(text);
  if (!bad) return;
  throw Error("text is not UTF-8: " + bad->text + " at offset " + std::to_string(bad->offset));
}

char32_t NextCodePoint(std::string_view text, std::size_t* position) {
  const std::size_t length = Utf8Length(text[*position]);
  static constexpr std::array<unsigned, 5> kMask = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t code_point = ByteAt(text, *position) & kMask[length];
  for (std::size_t i = 1; i < length; ++i) {
    code_point = (code_point << 6) | (ByteAt(text, *position + i) & 0x3F);
  }
  *position += length;
  return code_point;
}

char32_t LastCodePoint(std::string_view text) {
  std::size_t position = text.size() - 1;
  while (position > 0 && (ByteAt(text, position) & 0xC0) == 0x80) --position;
  return NextCodePoint(text, &position);
}

void AppendUtf8(char32_t code_point, std::string* out) {
  const auto put = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
    return;
  }
  if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t position = 0; position < bytes.size();) {
    const ByteSequence sequence = Examine(bytes, position);
    if (sequence.valid) {
      text.append(bytes.substr(position, sequence.length));
    } else {
      text.append("\xEF\xBF\xBD");
    }
    position += sequence.length;
  }
  return text;
}

}  // namespace roundlab
