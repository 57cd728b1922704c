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

}  // namespace roundlab
