#pragma once

#include <cstdint>

namespace roundlab {

/// Affine fake quantization of `groups` rows of `width` weights with one scale and zero point a
/// row:
///   code = clamp(round(w / s + v) + z, 0, code_max),   w^ = s (code - z)
/// round is half to even; v may be null (0). One pass over memory, float32.
/// Source: SignRound, arXiv 2309.05516, equation 3; straight-through gradient for round.
struct AffineRows {
  const float* weight;  ///< [groups, width]
  const float* offset;  ///< [groups, width] or null
  const float* scale;   ///< [groups], not 0
  const float* zero;    ///< [groups]
  float code_max;       ///< 2^bits - 1
  std::int64_t groups;
  std::int64_t width;
};

void FakeQuantForward(const AffineRows& rows, float* output);

/// With m = 1 where the unclamped code lies in [0, code_max], else 0. The scale's gradient comes in
/// its two parts, since a 16-bit scale gets each rounded by itself.
struct FakeQuantGradient {
  float* offset;   ///< dy s m                  [groups, width], may be null
  float* factor;   ///< sum dy (code - z)       [groups], of s where it multiplies
  float* divisor;  ///< -sum dy m w / s         [groups], of s where it divides
  float* zero;     ///< -s sum dy (1 - m)       [groups]
};
void FakeQuantBackward(const AffineRows& rows, const float* dy, const FakeQuantGradient& gradient);

/// AdaRound's soft weight: code = clamp(f + h(v) + z, 0, code_max) with f = floor(w / s) given in
/// `rows.weight` and h(v) = clamp(1.2 sigmoid(v) - 0.1, 0, 1). arXiv 2004.10568, equation 23.
void AdaRoundForward(const AffineRows& rows, float* output);

/// d_offset = dy s h'(v) where the code is not clamped, else 0.
void AdaRoundBackward(const AffineRows& rows, const float* dy, float* d_offset);

/// sum over i of 1 - |2 h(v_i) - 1|^beta; d_v (may be null) gets its gradient times `factor`.
double AdaRoundPenalty(const float* v, std::int64_t count, float beta, float factor, float* d_v);

}  // namespace roundlab
