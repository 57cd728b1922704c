#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/attention_heads.h"

namespace roundlab {

/// Backward pass of attention in which each text of a batch sees itself up to the query:
/// q and d_output [batch, seq, heads, dim], k and v [batch, seq, kv_heads, dim], float32 contiguous
/// -> gradients of the same shapes. The softmax is made again from q and k. Sums are in one order
/// whatever the number of threads.
AttentionGradients CausalAttentionBackward(const at::Tensor& q, const at::Tensor& k,
                                           const at::Tensor& v, const at::Tensor& d_output,
                                           const AttentionOptions& options);

}  // namespace roundlab
