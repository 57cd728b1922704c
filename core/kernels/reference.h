#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/packed_attention.h"
#include "core/kernels/range_quant.h"

namespace roundlab::reference {

// What core/kernels/ops.h computes, in plain ATen operations that autograd differentiates, for any
// floating dtype. The fused kernels are tested against these; other dtypes run them.

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);
at::Tensor ApplyRope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);
at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options);
at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up);
at::Tensor FakeQuant(const at::Tensor& weight, const at::Tensor& offset, const at::Tensor& scale,
                     const at::Tensor& zero, double code_max);
at::Tensor AdaRoundWeight(const at::Tensor& floor, const at::Tensor& v, const at::Tensor& scale,
                          const at::Tensor& zero, double code_max);
at::Tensor AdaRoundRegularizer(const at::Tensor& v, double beta, double weight);

/// x / by, with one rounding on every device: by a number, ATen multiplies with its inverse on a
/// GPU.
at::Tensor Divided(const at::Tensor& x, double by);

/// The grid of ranges, [groups] float32 each, with Q = code_max:
///   scale = (high - low) / Q, rounded to scale_dtype and kept at least ScaleFloor
///   zero = clamp(round(-low / scale), 0, Q), float32, with a straight-through gradient for round
struct Grid {
  at::Tensor scale;  ///< [groups], scale_dtype
  at::Tensor zero;   ///< [groups], float32
};
/// Where `symmetric` has a middle, SymmetricGrid's instead; a negative scale's magnitude is kept at
/// least ScaleFloor.
Grid RangeGrid(const at::Tensor& low, const at::Tensor& high, double code_max,
               at::ScalarType scale_dtype, const SymmetricGrid& symmetric = {});
/// `scale` rounded to `dtype` and kept at least ScaleFloor(dtype): 1e-8 for float32, 1e-5 for 16
/// bits. Here and in Widened gradients are rounded to 16 bits on their way back, as autograd does
/// for a cast, but end at the dtype's largest number: beyond it they would be infinite, and the
/// difference of two of them NaN.
at::Tensor CastScale(const at::Tensor& scale, at::ScalarType dtype);
/// A scale in float32.
at::Tensor Widened(const at::Tensor& scale);
double ScaleFloor(at::ScalarType dtype);
double LargestNumber(at::ScalarType dtype);  ///< finite, of float32 or 16 bits

/// h(v) = clamp(1.2 sigmoid(v) - 0.1, 0, 1).
at::Tensor RectifiedSigmoid(const at::Tensor& v);
/// v with h(v) = x, for x in [0, 1).
at::Tensor RectifiedLogit(const at::Tensor& x);

/// round(x) forward, identity backward.
at::Tensor RoundSte(const at::Tensor& x);

}  // namespace roundlab::reference
