#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/packed_attention.h"
#include "core/kernels/range_quant.h"

namespace roundlab {

// What models and rounding compute, as differentiable tensor operations, and the one place that
// chooses how: float32 on the CPU has fused kernels (elementwise.h, fake_quant.h, ...), bfloat16
// those of elementwise.h and attention; float32, float16 and bfloat16 on a GPU have those of cuda/
// where they were built; everything else takes the path of reference.h, in ATen's operations. Only
// the gradients named are computed.

/// x [..., width], weight [width] -> [..., width]. Gradient to x, and to weight where it wants one.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// x [batch, seq, heads, dim], cosine and sine [seq, dim/2] float32 -> as x. Gradient to x.
at::Tensor ApplyRope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);

/// Attention of each text of a batch, every query over the keys up to itself: q [batch, seq, heads,
/// dim], k and v [batch, seq, kv_heads, dim] -> as q. Gradient to all three. On a GPU by libtorch's
/// flash attention where that has the dtype, the width of a head and the window; 16 bits on a
/// processor are computed as in float32 and rounded once, bfloat16 on tile units (bfloat16_tile.h)
/// where it has them.
at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options);

/// CausalAttention's last row of each text: q [batch, 1, heads, dim], k and v [batch, keys,
/// kv_heads, dim] of all its tokens -> as q. Where q has a row for each key, all rows. ATen ops; no
/// gradient.
at::Tensor NewestAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options);

/// silu(gate) * up, same shapes. Gradient to both.
at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up);

/// Mean negative log-likelihood in nats of `targets` (int64 [tokens]) under softmax(hidden head^T),
/// a scalar. hidden [tokens, d], head [vocab, d], both float32. Gradient to both, made beside the
/// value in chunks of rows, so that no tensor of [tokens, vocab] is.
at::Tensor HeadNll(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& targets);

/// weight [groups, width], offset the same or undefined, scale and zero [groups] -> w^ [groups,
/// width], rounded to `dtype`; see FakeQuantForward. Gradient to offset, scale and zero; none to
/// weight. The scale may be float16 or bfloat16: it is used as float32, and its gradient is summed
/// in its own dtype.
at::Tensor FakeQuant(const at::Tensor& weight, const at::Tensor& offset, const at::Tensor& scale,
                     const at::Tensor& zero, double code_max, at::ScalarType dtype = at::kFloat);

/// FakeQuant on the grids of ranges. Gradient to offset and both factors.
at::Tensor RangeFakeQuant(const RangeQuant& quant, at::ScalarType dtype = at::kFloat,
                          const SignSteps& steps = {});
/// Whether RangeFakeQuant on weights like this can take steps in its backward pass; elsewhere
/// asking for steps is a programmer's error.
bool TakesSignSteps(const at::Tensor& weight);

/// mean((output - target)^2) in float32, a scalar; output and target of one shape and floating
/// dtype. Gradient to output.
at::Tensor MeanSquaredError(const at::Tensor& output, const at::Tensor& target);

/// to <- from where flag, a bool scalar on the same device, is true; nothing waits for its value.
/// Both contiguous, of one shape and dtype.
void CopyIf(const at::Tensor& flag, const at::Tensor& from, const at::Tensor& to);

/// floor [groups, width] = floor(w / s), v the same, scale and zero [groups] -> soft weight; see
/// AdaRoundForward. Gradient to v only.
at::Tensor AdaRoundWeight(const at::Tensor& floor, const at::Tensor& v, const at::Tensor& scale,
                          const at::Tensor& zero, double code_max);

/// weight * sum(1 - |2 h(v) - 1|^beta), a scalar. Gradient to v.
at::Tensor AdaRoundRegularizer(const at::Tensor& v, double beta, double weight);

}  // namespace roundlab
