#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace roundlab {

/// GPT-2's alphabet (Radford et al. 2019, encoder.py): every byte is written as one visible
/// character; printable Latin-1 stands for itself, the other 68 bytes are U+0100 onwards in order.
struct ByteAlphabet {
  std::array<std::string, 256> characters;  ///< UTF-8 of each byte's character
  std::array<std::int16_t, 0x144> bytes{};  ///< code point -> byte, or -1
};
const ByteAlphabet& ByteLevelAlphabet();

/// Each byte as its character.
std::string ToByteLevel(std::string_view bytes);

/// The bytes that `text` stands for; nullopt where one of its characters is none of the 256.
std::optional<std::string> FromByteLevel(std::string_view text);

/// The pattern that GPT-2 splits text with, in Oniguruma syntax.
inline constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace roundlab
