#pragma once

#include "core/kernels/attention_heads.h"

namespace roundlab {

/// CausalAttentionBackward of bfloat16 by bfloat16_tile.h: products of the inputs are exact,
/// weights and the scores' gradients go into theirs as sums of two numbers; each gradient is
/// rounded once.
AttentionGradients Bfloat16AttentionBackward(const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const at::Tensor& d_output,
                                             const AttentionOptions& options);

}  // namespace roundlab
