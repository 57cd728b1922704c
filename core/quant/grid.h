#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "core/kernels/range_quant.h"
#include "core/quant/spec.h"

namespace roundlab {

/// The range of each group's weights that the grid covers. float32 [groups], low <= 0 <= high.
struct GroupRange {
  at::Tensor low;
  at::Tensor high;
};

/// The range of the weights themselves, with 0 in it: low = min(W, 0), high = max(W, 0).
/// groups: [groups, width] float32. A group of zeros gets -1 and 1.
GroupRange MinMaxRange(const at::Tensor& groups);

/// The affine grid of each group: w^ = scale (code - zero), code in [0, 2^bits - 1], computed in
/// float32.
struct AffineGrid {
  at::Tensor scale;  ///< [groups], spec.scale_dtype
  at::Tensor zero;   ///< [groups] float32, an integer unless the grid is float_zero
};

/// The tensor type of a scale.
at::ScalarType TorchType(ScaleType type);

/// With Q = 2^bits - 1 and m the larger of -low and high:
///   asym      scale = (high - low) / Q, zero = round(-low / scale)
///   sym       scale = 2 m / Q, zero = 2^(bits-1)                        (IST-DASLab/gptq quant.py)
///   sym_full  scale = m / 2^(bits-1), negative unless -low is the larger, zero = 2^(bits-1): the
///             weight of largest magnitude lands on code 0          (auto-round int_sym, ggml Q4_0)
///   sym_restricted  scale = m / (2^(bits-1) - 1), zero = 2^(bits-1): the weight of largest
///   magnitude
///             lands on the last code but one from its end  (LLM-QAT, mit-han-lab/smoothquant)
///   float_zero  as asym, zero = -low / scale, rounded to scale_dtype and to no integer: a code is
///             round(w / scale + zero), clamped
///   power     scale = m / (2^(bits-1) - 1), zero = 2^(bits-1), see core/quant/power_grid.h
/// scale is cast by CastScale first; zero is taken from the cast scale (auto-round
/// data_type/int.py) and kept in [0, Q], which a scale that was rounded down may else leave.
/// Differentiable in `range`, with a straight-through gradient for round; the gradient of a 16-bit
/// scale is added up in 16 bits, as auto-round's is.
AffineGrid MakeGrid(const GroupRange& range, const QuantSpec& spec);

/// MakeGrid's formula as RangeFakeQuant takes it; none where that has another (float_zero,
/// gptq_sym_quirk).
std::optional<SymmetricGrid> PlainGrid(const QuantSpec& spec);

/// The range that MakeGrid makes `grid` of, up to a rounding of the scale: float32 [groups]. Not of
/// a float_zero or power grid.
GroupRange RangeOfGrid(const AffineGrid& grid, const QuantSpec& spec);

/// The magnitudes that a scale may have. A smaller one is raised to `floor`; one above `ceiling`
/// can't be stored: it becomes infinite, and CheckGrid tells it.
struct ScaleLimits {
  double floor;    ///< 1e-5, as auto-round has it; float32: 1e-8
  double ceiling;  ///< the largest finite value of the type: 65504 for float16
};
ScaleLimits LimitsOf(ScaleType type);

/// A scale >= 0 rounded to spec.scale_dtype, then raised to the floor. Differentiable.
at::Tensor CastScale(const at::Tensor& scale, const QuantSpec& spec);
/// The same values in float32, with a gradient that goes past the cast: that of a sum over tokens
/// overflows 16 bits.
at::Tensor CastScalePast(const at::Tensor& scale, const QuantSpec& spec);

/// What is wrong with a grid, or "": a scale or zero point that is not finite, by its first group
/// ("scale of group 3 is inf: the group's range of 2e+06 in 15 steps is above float16's largest
/// value 65504 (quant.scale_dtype)").
std::string GridProblem(const AffineGrid& grid, const GroupRange& range, const QuantSpec& spec);

}  // namespace roundlab
