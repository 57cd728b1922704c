#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace roundlab {

/// What a linear layer does in its block.
enum class LinearRole {
  kQuery,
  kKey,
  kValue,
  kQueryKeyValue,  ///< all three in one stored matrix, see FusedLayout
  kQueryDown,      ///< of latent attention (AttentionPlan::latent): to the queries' latent
  kQueryUp,        ///< queries of it
  kKeyValueDown,   ///< to the latent of keys and values, and the part that all heads' keys share
  kKeyValueUp,     ///< a head's key without that part, then its value, of the latent
  kAttentionGate,  ///< factors of what attention gives
  kAttentionOutput,
  kMixerInput,  ///< of what mixes tokens beside or instead of attention, see MixerPlan; so the next
  kMixerQuery,  ///< of a delta rule whose q, k and v have layers of their own
  kMixerKey,
  kMixerValue,
  kMixerGate,      ///< factors of what the delta rule gives
  kMixerGateDown,  ///< to a latent that they are made of; so the next
  kMixerGateUp,    ///< factors of it
  kMixerDecayDown,
  kMixerDecayUp,
  kMixerUpdate,  ///< its update rates
  kMixerDecay,   ///< its decays
  kMixerRates,   ///< both, key head by key head
  kMixerOutput,
  kGate,
  kUp,      ///< of a plain MLP: its first layer
  kGateUp,  ///< rows of gate, then those of up, or by turns (MlpPlan::by_turns)
  kDown,
};

/// "query", "query_key_value", ...: for documents and messages.
const char* RoleName(LinearRole role);

/// Whether it reads what the block's attention (or mixer), or its MLP, is fed.
bool ReadsAttention(LinearRole role);
bool ReadsMlp(LinearRole role);
/// Whether a layer of this role adds to the residual stream, or reads it behind a norm. Layers in
/// the middle of latent attention do neither.
bool WritesResidual(LinearRole role);
bool ReadsResidual(LinearRole role);

/// One linear layer of a block; y = x W^T + b.
struct LinearPlan {
  std::string name;  ///< in the checkpoint, without ".weight": "model.layers.0.mlp.up_proj"
  std::int64_t out = 0;
  std::int64_t in = 0;
  bool bias = false;
  LinearRole role = LinearRole::kUp;
  /// Which of the block's distinct tensors feeds it: layers with the same number see the same one,
  /// so that they share a Hessian.
  std::size_t input = 0;
  /// Stored as [in, out] (GPT-2's Conv1D); the slot has the transpose, [out, in], as all others.
  bool transposed = false;
  std::int64_t expert = -1;  ///< of a mixture; -1: none
  /// Full name of the tensor in which the checkpoint has this matrix of all experts, one after the
  /// other: [experts, out, in] or [experts * out, in]; their biases are STACK_bias, [experts, out].
  /// Empty: it has a tensor of its own.
  std::string stack = {};
  bool either_way = false;  ///< of a stack: transposed, unless its shape says that it is not

  double Weights() const { return static_cast<double>(out) * static_cast<double>(in); }
};

enum class NormKind {
  kRms,    ///< x / sqrt(mean(x^2) + eps) * (offset + w)
  kLayer,  ///< (x - mean) / sqrt(variance + eps) * (offset + w) + b
};

/// Where a block has a norm. Before: of what a branch reads; On: of what a branch gives, before it
/// is added; After: of the sum.
enum class NormPlace {
  kBeforeAttention,
  kOnAttention,
  kAfterAttention,
  kBeforeMlp,
  kOnMlp,
  kAfterMlp,
  kQuery,  ///< of each head of q, or of all heads at once (width tells)
  kKey,
  kValue,        ///< of each head, or of the keys' rows where they are the values
  kQueryLatent,  ///< of what kQueryDown gives
  kKeyValueLatent,
  kBeforeExperts,  ///< of the residual stream, beside kBeforeMlp: experts stand beside the MLP
  kRouter,         ///< the same, of what the router reads
  kOnSharedMlp,    ///< of what the MLP beside the experts gives, before kOnMlp
  kOnExperts,      ///< of what they give, likewise
  kMixed,  ///< of what a mixer gives: a delta rule's head by head, a state space's in its groups
};

/// Whether it is of queries, keys, values, latents or a mixer's heads: its output is no branch's
/// input or output.
bool InsideAttention(NormPlace place);

struct NormPlan {
  std::string name;  ///< in the checkpoint, without ".weight"
  NormPlace place = NormPlace::kBeforeAttention;
  NormKind kind = NormKind::kRms;
  std::int64_t width = 0;
  double eps = 1e-6;
  double offset = 0;  ///< added to the stored weight: 1 in Gemma
  bool bias = false;
  bool stored = true;  ///< else the checkpoint has no weight: the norm multiplies by 1
  /// Heads with a weight of their own, stored as NAME.norms.HEAD or, where they are stacked, as one
  /// [split, width]; the slot has them one after the other, [split width]. 0: one weight for all.
  std::int64_t split = 0;
  std::int64_t Weights() const { return width * std::max<std::int64_t>(split, 1); }
  bool stacked = false;
  std::int64_t groups = 1;  ///< so many parts of what it norms are normed by themselves; of kRms
  /// Inputs (LinearPlan::input) that are this norm's output and that nothing else reads it but
  /// through: a transform may fold factors into the norm. Empty where there are other readers.
  std::vector<std::size_t> feeds;
};

}  // namespace roundlab
