#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// How symmetric grids are made from ranges: with m the larger of -low and high,
///   scale = times m / divisor,  zero = middle
struct SymmetricGrid {
  double middle = 0;  ///< 0: the grid is asymmetric
  double times = 1;
  double divisor = 1;
  bool signs = false;  ///< the scale is negative unless -low is the larger
};

/// Weights and the ranges that their grids are made from: those of low low_factor and
/// high high_factor, by reference::RangeGrid.
struct RangeQuant {
  at::Tensor weight;       ///< [groups, width] float32, contiguous
  at::Tensor offset;       ///< the same, or undefined: 0
  at::Tensor low;          ///< [groups] float32
  at::Tensor high;         ///< [groups] float32
  at::Tensor low_factor;   ///< [groups] float32, or undefined: 1
  at::Tensor high_factor;  ///< as low_factor
  double code_max = 15;
  at::ScalarType scale_dtype = at::kFloat;
  SymmetricGrid symmetric = {};
};

/// Steps that the backward pass takes itself, p <- p - step sign(gradient), in the pass that makes
/// the gradient, which is then kept nowhere. 0: none, and gradients as usual. A pass that steps
/// leaves what it moved fake-quantized where the result was: read a result before its backward
/// pass.
struct SignSteps {
  double offset = 0;
  double range = 0;         ///< of both factors, which are kept in [0, 1]
  double offset_bound = 0;  ///< offsets are kept in +- this where it is above 0
  /// [groups, width] of the result's dtype: the result, as the backward pass of another call with
  /// steps left it in that call's result, so that no pass is made for it. Undefined: it is made.
  at::Tensor made = {};
};

}  // namespace roundlab
