#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/packed_attention.h"

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

/// h(v) = clamp(1.2 sigmoid(v) - 0.1, 0, 1).
at::Tensor RectifiedSigmoid(const at::Tensor& v);

/// round(x) forward, identity backward.
at::Tensor RoundSte(const at::Tensor& x);

}  // namespace roundlab::reference
