#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// How the gradient to a linear layer's weight is computed. It is one of three products of a tuning
/// step, and SignSGD takes only its sign.
enum class GradientPrecision {
  kProducts,  ///< as the other two
  kBFloat16,  ///< both factors rounded to bfloat16, sums in float32
  kFloat8,  ///< both in e4m3, each column at its own scale (float8.h): by the 8-bit units of a GPU
            ///< that has them, elsewhere simulated and so no faster
  kInt8,    ///< both in 8-bit integers at a scale a column, sums in int32; on a processor without
            ///< VNNI by products in float32, exact too
};

/// How the products of a layer that is tuned are made.
struct LinearTuning {
  GradientPrecision gradient = GradientPrecision::kProducts;  ///< of that to the weight
  /// [out, in] float32, or undefined. Where defined, each sequence x[i] of x [batch, seq, in] is
  /// multiplied by itself, and its gradient to the weight is added here, one after the other, and
  /// not passed on: in what batches sequences come changes no bit of the sum.
  at::Tensor gradient_sum = {};
};

/// What matrices of a dtype are multiplied in: float32 for float16 and bfloat16 on a processor that
/// has no units for it (AVX-512 FP16, AVX-512 BF16), where libtorch's own products take 2 to 15
/// times as long as float32's (results/tuning-speed.md); else their own dtype. Sums are float32
/// either way, and what comes out has the matrices' dtype.
c10::ScalarType ProductDtype(c10::ScalarType dtype, const c10::Device& device);

/// a [m, k], b [k, n], both of one dtype -> [m, n] of that dtype. Without gradients.
at::Tensor Product(const at::Tensor& a, const at::Tensor& b);

/// x [..., in], weight [out, in], bias [out] or undefined, all of one dtype -> [..., out]. Gradient
/// to all three; to weight as `tuning` says, in the weight's dtype. A gradient that is not finite
/// leaves one that is not: no integer hides it.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const LinearTuning& tuning = {});

}  // namespace roundlab
