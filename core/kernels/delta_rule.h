#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/kernels/attention.h"

namespace roundlab {

/// Tokens whose updates are found at once.
constexpr std::int64_t kDeltaRuleChunk = 64;

/// What the gated delta rule reads of tokens. Key head h is that of value heads
/// [h r, (h + 1) r), r = value_heads / key_heads.
struct DeltaRule {
  at::Tensor q;        ///< [batch, seq, key_heads, key_dim], any dtype
  at::Tensor k;        ///< the same
  at::Tensor v;        ///< [batch, seq, value_heads, value_dim], any dtype
  at::Tensor decay;    ///< [batch, seq, value_heads], ln of what is left of the state, 0 at most
  at::Tensor updates;  ///< [batch, seq, value_heads], in [0, 1]
};

/// The gated delta rule (arXiv 2412.06464, equation 10), a state S [key_dim, value_dim] a value
/// head, 0 before a text:
///   S_t = e^decay S_(t-1) + k_t (update (v_t - k_t^T e^decay S_(t-1)))^T,   y_t = S_t^T q_t
/// where q and k are divided by their lengths, sqrt(sum x^2 + 1e-6), and q by sqrt(key_dim), too.
/// In chunks of tokens, each a few matrix products (section 3.3 there); in float32.
/// -> [batch, seq, value_heads, value_dim] float32. ATen ops that autograd differentiates.
/// segments: null, or those of packed texts, which the tensors have as their only batch.
at::Tensor GatedDeltaRule(const DeltaRule& rule, const std::vector<Segment>* segments);

/// The same of whole texts, a token at a time.
at::Tensor GatedDeltaRuleReference(const DeltaRule& rule);

}  // namespace roundlab
