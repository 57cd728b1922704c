#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

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

}  // namespace roundlab
