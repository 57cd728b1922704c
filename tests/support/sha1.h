#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <iomanip>
#include <sstream>
#include <string>

namespace roundlab::testing {

/// SHA-1 (FIPS 180-4) as hex digits: golden tables name texts by it.
inline std::string Sha1Hex(std::string text) {
  std::array<std::uint32_t, 5> h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  const std::uint64_t bits = 8 * text.size();
  text += '\x80';
  while (text.size() % 64 != 56) text += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(bits >> shift);
  for (std::size_t begin = 0; begin < text.size(); begin += 64) {
    std::array<std::uint32_t, 80> w = {};
    for (std::size_t i = 0; i < 64; ++i) {
      w[i / 4] = w[i / 4] << 8U | static_cast<unsigned char>(text[begin + i]);
    }
    for (std::size_t i = 16; i < 80; ++i) {
      w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    auto [a, b, c, d, e] = h;
    for (std::size_t i = 0; i < 80; ++i) {
      const std::uint32_t parity = b ^ c ^ d;
      const std::array<std::uint32_t, 4> mix = {(b & c) | (~b & d), parity,
                                                (b & c) | (b & d) | (c & d), parity};
      constexpr std::array<std::uint32_t, 4> kPart = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC,
                                                      0xCA62C1D6};
      const std::uint32_t next = std::rotl(a, 5) + mix[i / 20] + e + kPart[i / 20] + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
  }
  std::ostringstream hex;
  for (const std::uint32_t word : h) hex << std::hex << std::setw(8) << std::setfill('0') << word;
  return hex.str();
}

}  // namespace roundlab::testing
