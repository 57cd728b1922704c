#pragma once

#include <cstdint>

namespace roundlab {

/// Groups of weights, one a row, with the reciprocal of a scale and a real zero point each:
///   code = clamp(round(w r + z), 0, code_max),   w^ = (code - z) / r
struct RealZeroRows {
  const float* weight;      ///< [groups, width]
  const float* reciprocal;  ///< [groups], r, not 0
  float code_max;           ///< 2^bits - 1
  std::int64_t groups;
  std::int64_t width;
};

/// The proximal term of HQQ: shrink(x) = sign(x) max(0, |x| - |x|^(norm - 1) / beta).
struct Proximal {
  float norm;
  float beta;
};

/// One step of HQQ's half-quadratic solver (mobiusml/hqq optimize.py,
/// optimize_weights_proximal_legacy): with e = shrink(w - w^)
///   z <- mean over the group of  code - (w - e) r
/// zero [groups] is changed. Returns the mean of |w - w^| over all weights, before the step.
/// Powers are those of vector_math.h, right to some units in the last place.
double HalfQuadraticStep(const RealZeroRows& rows, const Proximal& proximal, float* zero);

}  // namespace roundlab
