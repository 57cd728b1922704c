#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roundlab {

struct HqqSettings {
  double code_max = 15;
  double norm = 0.7;  ///< p of the error |w - w^|^p
  double beta = 10;   ///< weight of the quadratic term
  double kappa = 1;   ///< its growth an iteration; the package names 1.01, but does not apply it
  std::int64_t iterations = 20;
  bool early_stop = true;   ///< once the mean |w - w^| of the whole matrix no longer falls
  bool round_zero = false;  ///< the zero point that iterations start from is an integer
  /// float32 | float16 | bfloat16: scale and zero point are rounded to it, the scale before the
  /// iterations and the zero point after them.
  at::ScalarType dtype = at::kFloat;
};

struct HqqSolution {
  at::Tensor codes;            ///< [groups, width] uint8
  at::Tensor scale;            ///< [groups] float32, > 0
  at::Tensor zero;             ///< [groups] float32, real
  std::vector<double> errors;  ///< mean |w - w^| before each iteration
};

/// Half-quadratic quantization (mobiusml/hqq 0.2.8, core/quantize.py and core/optimize.py), which
/// needs no data. On the range of each group's weights (0 need not be in it), with r = Q / (high -
/// low), at most 2e4 and 1 where high - low <= 1e-4:
///   z_0 = -low r (an integer with round_zero),  then HalfQuadraticStep while the error falls,
///   code = clamp(round(w r + z), 0, Q),  w^ = scale (code - z),  scale = 1 / r, never changed.
/// As in the package, the step that no longer helped is kept. groups: [groups, width] float32, on
/// the CPU.
HqqSolution SolveHqq(const at::Tensor& groups, const HqqSettings& settings);

}  // namespace roundlab
