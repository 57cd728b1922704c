#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// Some columns of a weight matrix that are rounded one after another, each error handed to the
/// columns right of it. float32 or float64, all tensors of one dtype and contiguous.
struct FeedbackBlock {
  at::Tensor weight;  ///< [out, width]; changed: a column done holds its decoded weight
  at::Tensor factor;  ///< [width, width], U, upper triangular, its diagonal > 0
  at::Tensor shift;   ///< [width, width], P, zero up to its diagonal; or undefined
  at::Tensor scale;   ///< [out, groups], not 0
  at::Tensor zero;    ///< [out, groups], integers
  at::Tensor group;   ///< [width] int64, the column of `scale` that a column uses
  double code_max = 0;
  at::Tensor codes;  ///< [out, width]; gets the codes
  at::Tensor error;  ///< [out, width]; gets e
};

}  // namespace roundlab
