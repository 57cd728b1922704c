#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "rounding/scheme.h"

namespace roundlab {

/// The learned exponent D [out, in] of a division, and the parameters it is made of.
struct DivisionExponent {
  std::vector<ParameterGroup> parameters;
  /// start + D, differentiable in both, added in the reference's order: the last bit decides ties.
  std::function<at::Tensor(const at::Tensor& start)> add;
};

/// What FlexRound and LRQ share. With the grid (s, z) of the layer's range, and d1 = ln s at first:
///   w^ = s1 (clamp(round(w / exp(d1 + D)) + z, 0, 2^b - 1) - z),   s1 = exp(d1)
/// Gradients pass straight through round; z stays. s1 is rounded to spec.scale_dtype where it
/// multiplies, not where it divides. d1 [groups] is tuned too unless `tune_scale` is false.
/// Diagnoses `division_mean_abs`, the mean of |D|, `division_histogram` of D over [-0.1, 0.1], and
/// `log_scale_histogram` of ln(s1 / s) over the same.
std::unique_ptr<LayerRounding> DivisionRounding(const LayerContext& layer, bool tune_scale,
                                                DivisionExponent exponent);

/// FlexRound's D = D2 [out, in] + D3 [out, 1] (D3 unless `tune_row` is false), 0 at first.
DivisionExponent ElementwiseExponent(const LayerContext& layer, bool tune_row);

}  // namespace roundlab
