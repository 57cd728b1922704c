#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace roundlab {

/// A causal convolution over the tokens of a text, each channel by itself.
struct ConvolutionPlan {
  std::string name;  ///< in the checkpoint: NAME.weight [channels, 1, taps], NAME.bias [channels]
  std::int64_t channels = 0;
  std::int64_t taps = 0;
  bool bias = false;
};

/// The gated delta rule (Gated DeltaNet, arXiv 2412.06464): what a text has said so far is kept in
/// a matrix for each value head, which tokens let fade and write to (core/kernels/delta_rule.h).
struct DeltaRulePlan {
  std::int64_t key_heads = 0;
  std::int64_t value_heads = 0;  ///< value head h reads key head h / (value_heads / key_heads)
  std::int64_t key_dim = 0;      ///< of a head
  std::int64_t value_dim = 0;
  /// kMixerInput has for each key head rows of q, of k, and of its value heads' v and then gates,
  /// kMixerRates of their update rates and then decays (Qwen3-Next). Else kMixerInput has all of q,
  /// all of k, all of v; gates are kMixerGate's, rates kMixerUpdate's and kMixerDecay's (Qwen3.5).
  bool per_key_head = false;
  std::string decay;       ///< full name in the checkpoint, [value_heads], ln of the fastest decay
  std::string decay_bias;  ///< full name, [value_heads], added to what kMixerDecay gives
};

/// What mixes a block's tokens in attention's place. Without delta rule LFM2's short convolution:
///   y = output(c * convolution(b * x)), where kMixerInput has all rows of b, of c, of x.
/// With it, q, k and v go through the convolution and SiLU, and
///   y = output(norm(delta_rule(q, k, v)) * silu(gate)), the norm a head, NormPlace::kMixed.
struct MixerPlan {
  ConvolutionPlan convolution;
  std::optional<DeltaRulePlan> delta = {};
};

}  // namespace roundlab
