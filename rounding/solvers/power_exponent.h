#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rounding/work.h"

namespace roundlab {

/// The rounding errors that weights have on power grids (core/quant/power_grid.h) of one scale and
/// any exponent. A code's weights are those between two bounds, so that with weights in order and
/// running sums of what they count, an error takes 2^(bits-1) lookups and no pass over weights.
/// Memory: 24 bytes a weight.
class PowerErrors {
 public:
  /// groups: [groups, width], scale: [groups].
  PowerErrors(const at::Tensor& groups, const at::Tensor& scale, std::int64_t bits);

  /// PowerError's sum, but for its last digits.
  double Of(double exponent) const;

 private:
  /// Weights in order of p = |w| / (top scale), float64; sums have a 0 before them.
  struct Tile {
    at::Tensor part;       // [n], p
    at::Tensor size;       // [n + 1], running sum of (top scale)^2
    at::Tensor moment;     // [n + 1], of (top scale)^2 p
    at::Tensor of_square;  // [], all of w^2
  };
  double top_;
  std::vector<Tile> tiles_;
};

/// sum (w - w^)^2 with that exponent, in float64. groups: [groups, width], scale: [groups].
double PowerError(const at::Tensor& groups, const at::Tensor& scale, double exponent,
                  std::int64_t bits);

/// The exponent of least error, as PowerQuant looks for it (rounding/schemes/powerquant.h).
double BestExponent(const at::Tensor& groups, const at::Tensor& scale, std::int64_t bits);

/// What BestExponent takes of so many weights: they are put in order, 71 exponents are looked up.
/// Fitted to SmolLM2 (results/estimates.md).
inline Work ExponentWork(double weights) { return {.values = 200 * weights, .ops = 71 * 20}; }

}  // namespace roundlab
