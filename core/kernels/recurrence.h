#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/kernels/attention.h"

namespace roundlab {

/// Tokens whose updates are found at once; where channels fade by themselves, see Recurrence, so
/// many of them, as each pair of tokens has a number a channel then.
constexpr std::int64_t kRecurrenceChunk = 64;
constexpr std::int64_t kChannelsChunk = 16;

/// What a recurrence reads of tokens. Key head h is that of value heads [h r, (h + 1) r),
/// r = value_heads / key_heads.
struct Recurrence {
  at::Tensor q;  ///< [batch, seq, key_heads, key_dim], any dtype
  at::Tensor k;  ///< the same
  at::Tensor v;  ///< [batch, seq, value_heads, value_dim], any dtype
  /// [batch, seq, value_heads], ln of what is left of the state, 0 at most; or of each of its rows,
  /// [batch, seq, value_heads, key_dim] (Kimi Delta Attention, arXiv 2510.26692, section 3).
  at::Tensor decay;
  at::Tensor updates;  ///< [batch, seq, value_heads], of the delta rule in [0, 1]
};

/// The gated delta rule (arXiv 2412.06464, equation 10), a state S [key_dim, value_dim] a value
/// head, 0 before a text:
///   S_t = e^decay S_(t-1) + k_t (update (v_t - k_t^T e^decay S_(t-1)))^T,   y_t = S_t^T q_t
/// (e^decay is a diagonal matrix where rows fade by themselves),
/// where q and k are divided by their lengths, sqrt(sum x^2 + 1e-6), and q by sqrt(key_dim), too.
/// In chunks of tokens, each a few matrix products (section 3.3 there); in float32.
/// -> [batch, seq, value_heads, value_dim] float32. ATen ops that autograd differentiates.
/// segments: null, or those of packed texts, which the tensors have as their only batch.
at::Tensor GatedDeltaRule(const Recurrence& rule, const std::vector<Segment>* segments);

/// The same without what is known of a key being taken off, and with q and k as they are: the
/// selective state space of Mamba-2 (arXiv 2405.21060, equation 16), where q is C, k is B, v is x:
///   S_t = e^decay S_(t-1) + k_t (update v_t)^T,   y_t = S_t^T q_t
at::Tensor StateSpace(const Recurrence& rule, const std::vector<Segment>* segments);

/// Both of whole texts, a token at a time.
at::Tensor GatedDeltaRuleReference(const Recurrence& rule);
at::Tensor StateSpaceReference(const Recurrence& rule);

}  // namespace roundlab
