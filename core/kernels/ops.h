#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/packed_attention.h"

namespace roundlab {

// The fused kernels as differentiable tensor operations. float32, contiguous where it says so; any
// other dtype takes the path of core/kernels/reference.h. Only the gradients named are computed.

/// x [..., width], weight [width] -> [..., width]. Gradient to x, and to weight where it wants one.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// x [batch, seq, heads, dim], cosine and sine [seq, dim/2] float32 -> as x. Gradient to x.
at::Tensor ApplyRope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);

/// Attention of each text of a batch, every query over the keys up to itself: q [batch, seq, heads,
/// dim], k and v [batch, seq, kv_heads, dim] -> as q. Gradient to all three.
at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options);

/// silu(gate) * up, same shapes. Gradient to both.
at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up);

/// Mean negative log-likelihood in nats of `targets` (int64 [tokens]) under softmax(hidden head^T),
/// a scalar. hidden [tokens, d], head [vocab, d], both float32. Gradient to both, made beside the
/// value in chunks of rows, so that no tensor of [tokens, vocab] is.
at::Tensor HeadNll(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& targets);

/// weight [groups, width], offset the same or undefined, scale and zero [groups] -> w^ [groups,
/// width]; see FakeQuantForward. Gradient to offset, scale and zero; none to weight. The scale may
/// be float16 or bfloat16: it is used as float32, and its gradient is summed in its own dtype.
at::Tensor FakeQuant(const at::Tensor& weight, const at::Tensor& offset, const at::Tensor& scale,
                     const at::Tensor& zero, double code_max);

/// floor [groups, width] = floor(w / s), v the same, scale and zero [groups] -> soft weight; see
/// AdaRoundForward. Gradient to v only.
at::Tensor AdaRoundWeight(const at::Tensor& floor, const at::Tensor& v, const at::Tensor& scale,
                          const at::Tensor& zero, double code_max);

/// weight * sum(1 - |2 h(v) - 1|^beta), a scalar. Gradient to v.
at::Tensor AdaRoundRegularizer(const at::Tensor& v, double beta, double weight);

}  // namespace roundlab
