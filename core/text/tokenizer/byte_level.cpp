#include "core/text/tokenizer/byte_level.h"

#include "core/base/utf8.h"

namespace roundlab {
namespace {

ByteAlphabet MakeAlphabet() {
  ByteAlphabet alphabet;
  alphabet.bytes.fill(-1);
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    const char32_t code_point = visible ? byte : next++;
    AppendUtf8(code_point, &alphabet.characters[byte]);
    alphabet.bytes[code_point] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

}  // namespace

const ByteAlphabet& ByteLevelAlphabet() {
  static const ByteAlphabet kAlphabet = MakeAlphabet();
  return kAlphabet;
}

std::string ToByteLevel(std::string_view bytes) {
  const ByteAlphabet& alphabet = ByteLevelAlphabet();
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) text += alphabet.characters[static_cast<unsigned char>(byte)];
  return text;
}

std::optional<std::string> FromByteLevel(std::string_view text) {
  const ByteAlphabet& alphabet = ByteLevelAlphabet();
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const char32_t code_point = NextCodePoint(text, &position);
    if (code_point >= alphabet.bytes.size() || alphabet.bytes[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(alphabet.bytes[code_point]);
  }
  return bytes;
}

}  // namespace roundlab
