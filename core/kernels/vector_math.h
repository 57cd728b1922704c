#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

/// Compiles a function for several instruction sets and picks one when the program starts.
/// Sanitizers run before the picker can, and clang 14 can't clone in C++; both get the plain code.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ROUNDLAB_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ROUNDLAB_SIMD
#endif

namespace roundlab {

/// Elements a thread takes at least, and the rows of `width` that make as many.
constexpr std::int64_t kGrain = 16384;
inline std::int64_t RowGrain(std::int64_t width) {
  return std::max<std::int64_t>(1, kGrain / width);
}

/// Sums and maxima of a row are carried in so many side by side, which compilers vectorize.
constexpr std::int64_t kLanes = 32;

/// e^x to about 2 units in the last place, in plain arithmetic that compilers vectorize. Clamped to
/// [-87, 88], where float32 neither underflows nor overflows.
/// Range reduction x = n ln 2 + r, |r| <= ln(2)/2, then Taylor's polynomial of degree 7.
inline float FastExp(float x) {
  x = x < -87.0F ? -87.0F : (x > 88.0F ? 88.0F : x);
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.98412698e-4F;
  p = p * r + 1.38888889e-3F;
  p = p * r + 8.33333333e-3F;
  p = p * r + 4.16666667e-2F;
  p = p * r + 1.66666667e-1F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const auto exponent = (static_cast<std::int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

/// ln x of a positive normal number to about 2 units in the last place; about -88 for 0.
/// x = 2^n m with m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh(s) with s = (m - 1) / (m + 1).
inline float FastLog(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  const std::int32_t shifted = bits - 0x3f3504f3;  // of sqrt(1/2)
  const std::int32_t n = shifted >> 23;
  const auto m = std::bit_cast<float>(bits - n * (1 << 23));
  const float s = (m - 1.0F) / (m + 1.0F);
  const float t = s * s;
  float p = 1.11111111e-1F;
  p = p * t + 1.42857143e-1F;
  p = p * t + 2.0e-1F;
  p = p * t + 3.33333333e-1F;
  p = p * t + 1.0F;
  return 2.0F * s * p + static_cast<float>(n) * 0.693147181F;
}

/// The largest of x[0, count); at least one.
inline float Largest(const float* x, std::int64_t count) {
  float maxima[kLanes];
  for (float& m : maxima) m = x[0];
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      maxima[k] = x[i + k] > maxima[k] ? x[i + k] : maxima[k];
    }
  }
  float top = maxima[0];
  for (const float m : maxima) top = m > top ? m : top;
  for (; i < count; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

inline float FastSigmoid(float x) { return 1.0F / (1.0F + FastExp(-x)); }

}  // namespace roundlab
