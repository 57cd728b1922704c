#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>

// Bfloat16 in plain arithmetic that compilers vectorize, and loops that float32 shares with it.

namespace roundlab {

/// The nearest bfloat16's bits, ties to even, in the upper half, the rest 0. NaN stays NaN.
inline std::uint32_t Bfloat16Bits(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t nearest = (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
  return x == x ? nearest : 0x7fc00000U;
}

inline float ToFloat(float x) { return x; }
inline float ToFloat(c10::BFloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.x) << 16);
}

/// The nearest T.
template <class T>
T FromFloat(float x);
template <>
inline float FromFloat(float x) {
  return x;
}
template <>
inline c10::BFloat16 FromFloat(float x) {
  return {static_cast<std::uint16_t>(Bfloat16Bits(x) >> 16), c10::BFloat16::from_bits()};
}

/// The same as a float.
template <class T>
float Rounded(float x) {
  return ToFloat(FromFloat<T>(x));
}

}  // namespace roundlab
