#pragma once

#include <bit>
#include <cstdint>

namespace roundlab {

/// IEEE 754 binary16 to binary32, exact; a NaN comes out quiet, as F16C does it. Without branches
/// and without subnormal arithmetic: loops over it vectorize, and flush-to-zero modes change
/// nothing.
inline float HalfToFloat(std::uint16_t half) {
  const std::uint32_t magnitude = half & 0x7fffU;
  const std::uint32_t normal = (magnitude << 13) + (112U << 23);  // exponent bias 15 to 127
  const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F;
  std::uint32_t bits = magnitude < 0x0400U ? std::bit_cast<std::uint32_t>(subnormal) : normal;
  bits |= magnitude >= 0x7c00U ? 0x7f800000U : 0U;
  bits |= magnitude > 0x7c00U ? 0x00400000U : 0U;
  bits |= static_cast<std::uint32_t>(half & 0x8000U) << 16;
  return std::bit_cast<float>(bits);
}

/// bfloat16 is the upper half of binary32.
inline float BFloat16ToFloat(std::uint16_t bfloat) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bfloat) << 16);
}

/// F8_E4M3 (4 bits of exponent, bias 7; no infinity) to binary32, exact.
inline float E4M3ToFloat(std::uint8_t value) {
  const std::uint32_t magnitude = value & 0x7fU;
  const std::uint32_t sign = static_cast<std::uint32_t>(value & 0x80U) << 24;
  std::uint32_t bits = (magnitude << 20) + (120U << 23);  // exponent bias 7 to 127
  if (magnitude < 0x08U)
    bits = std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-9F);
  if (magnitude == 0x7fU) bits = 0x7fc00000U;
  return std::bit_cast<float>(bits | sign);
}

}  // namespace roundlab
