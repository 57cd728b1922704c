#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

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

/// The inner loop of GPTQ (arXiv 2210.17323, algorithm 1) over the columns i in [begin, end), in
/// order:
///   code = clamp(round(w_i / s) + z, 0, code_max),   e_i = (w_i - s (code - z)) / U_ii
///   w_j <- w_j - e_i U_ij + w_i P_ij                 for all j >= i of the block
/// with w_i as it was before on the right; round is half to even. P is GPTAQ's (arXiv 2504.02692).
void ErrorFeedback(const FeedbackBlock& block, std::int64_t begin, std::int64_t end);

namespace reference {

/// The same in plain ATen operations, on any device.
void ErrorFeedback(const FeedbackBlock& block, std::int64_t begin, std::int64_t end);

}  // namespace reference

}  // namespace roundlab
