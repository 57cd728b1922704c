#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/quant/grid.h"

namespace roundlab {

/// The power grid (PowerQuant, arXiv 2301.09858): with top = 2^(bits-1) - 1, an exponent a > 0 and
/// a group's scale = max|w| / top,
///   code - 2^(bits-1) = round(top sign(w) (|w| / (top scale))^a), kept in [-top, top]
///   w^ = scale v,   v = sign(d) top (|d| / top)^(1/a),   d = code - 2^(bits-1)
/// a < 1 puts more of the values near 0; a = 1 is uniform. We keep the scale in units of the weight
/// (the paper: max|w|^a), so that it scales with it and can be refitted.

/// top.
double PowerTop(std::int64_t bits);

/// v of each code, float32 [2^bits]. Code 0, which is not used, continues the rule.
at::Tensor PowerValues(std::int64_t bits, double exponent);

/// What each group's largest weight is on the grid, top scale. scale [groups] -> [groups, 1].
at::Tensor PowerSize(const at::Tensor& scale, std::int64_t bits);

/// top sign(w) (|w| / (top scale))^a before it is rounded. groups: [groups, width], scale:
/// [groups], of one floating dtype.
at::Tensor PowerPositions(const at::Tensor& groups, const at::Tensor& scale, double exponent,
                          std::int64_t bits);

}  // namespace roundlab
