#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// Groups of weights, one a row, with the reciprocal of a scale and a real zero point each:
///   code = clamp(round(w r + z), 0, code_max),   w^ = (code - z) / r
/// All float32, contiguous and on one device.
struct RealZeroGroups {
  at::Tensor weight;      ///< [groups, width]
  at::Tensor reciprocal;  ///< [groups], r, not 0
  double code_max = 0;    ///< 2^bits - 1
};

/// The proximal term of HQQ: shrink(x) = sign(x) max(0, |x| - |x|^(norm - 1) / beta).
struct Proximal {
  double norm = 0.7;
  double beta = 10;
};

/// One step of HQQ's half-quadratic solver (mobiusml/hqq optimize.py,
/// optimize_weights_proximal_legacy): with e = shrink(w - w^)
///   z <- mean over the group of  code - (w - e) r
/// zero [groups] is changed. Returns the mean of |w - w^| over all weights, before the step.
/// On the CPU powers are those of vector_math.h, right to some units in the last place.
double HalfQuadraticStep(const RealZeroGroups& groups, const Proximal& proximal,
                         const at::Tensor& zero);

namespace reference {

/// The same in plain ATen operations, on any device.
double HalfQuadraticStep(const RealZeroGroups& groups, const Proximal& proximal,
                         const at::Tensor& zero);

}  // namespace reference

}  // namespace roundlab
