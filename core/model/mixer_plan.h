#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace roundlab {

/// A causal convolution over the tokens of a text, each channel by itself.
struct ConvolutionPlan {
  /// Of channels that the checkpoint has apart.
  struct Part {
    std::string name;
    std::int64_t channels = 0;
  };

  std::string name;  ///< in the checkpoint: NAME.weight [channels, 1, taps], NAME.bias [channels]
  std::int64_t channels = 0;
  std::int64_t taps = 0;
  bool bias = false;
  std::vector<Part> parts = {};  ///< in NAME's place, in their order; none: it has all in one
};

/// The gated delta rule (Gated DeltaNet, arXiv 2412.06464): what a text has said so far is kept in
/// a matrix for each value head, which tokens let fade and write to (core/kernels/recurrence.h).
struct DeltaRulePlan {
  std::int64_t key_heads = 0;
  std::int64_t value_heads = 0;  ///< value head h reads key head h / (value_heads / key_heads)
  std::int64_t key_dim = 0;      ///< of a head
  std::int64_t value_dim = 0;
  /// kMixerInput has for each key head rows of q, of k, and of its value heads' v and then gates,
  /// kMixerRates of their update rates and then decays (Qwen3-Next). Else kMixerInput has all of q,
  /// all of k, all of v; gates are kMixerGate's, rates kMixerUpdate's and kMixerDecay's (Qwen3.5).
  bool per_key_head = false;
  /// As Qwen3.5, but q, k and v are kMixerQuery's, kMixerKey's and kMixerValue's (OLMo Hybrid).
  bool apart = false;
  double update_scale = 1;  ///< of update rates, which are sigmoids
  /// Kimi Linear: rows of the state fade by themselves, kMixerDecayUp gives each value head key_dim
  /// decays, of a latent of kMixerDecayDown, and gates, which are sigmoids, are made likewise.
  bool by_channel = false;
  std::int64_t latent = 0;  ///< width of both latents
  std::string decay;        ///< full name in the checkpoint, [value_heads], ln of the fastest decay
  std::string decay_bias;   ///< full name, [value_heads (key_dim)], added to what kMixerDecay gives

  std::int64_t Decays() const { return value_heads * (by_channel ? key_dim : 1); }
};

/// The selective state space of Mamba-2 (arXiv 2405.21060): what a text has said so far is kept in
/// a matrix for each head, which fades by a head's own rate times a token's time step.
struct StateSpacePlan {
  std::int64_t heads = 0;
  std::int64_t groups = 0;    ///< head h reads B and C of group h / (heads / groups)
  std::int64_t head_dim = 0;  ///< of x
  std::int64_t state = 0;     ///< of B and C
  double least_step = 0;      ///< time steps are held to [least_step, largest_step]
  double largest_step = 0;    ///< 0: no end
  /// What the rows of gates, x, B, C and steps are multiplied by, as kMixerInput gives them.
  std::array<double, 5> factors = {1, 1, 1, 1, 1};
  bool norm_first = false;  ///< y = output(norm(..) * silu(gate)); see MixerPlan
  std::string decay;        ///< full name in the checkpoint, [heads], ln of its rate
  std::string decay_bias;   ///< full name, [heads], added to what time steps are made of
  std::string passed;       ///< full name, [heads]: so much of x is added to what comes out
};

/// What mixes a block's tokens in attention's place, or beside it, where both read what attention
/// is fed and are summed (Falcon-H1). Without more LFM2's short convolution:
///   y = output(c * convolution(b * x)), where kMixerInput has all rows of b, of c, of x.
/// With a delta rule, q, k and v go through the convolution and SiLU, and
///   y = output(norm(delta_rule(q, k, v)) * silu(gate)), the norm a head, NormPlace::kMixed.
/// With a state space kMixerInput has all rows of gates, of x, of B, of C, of a step a head; x, B
/// and C go through the convolution and SiLU, and
///   y = output(norm((state_space(C, B, x) + passed x) * silu(gate))), the norm, where there is
///   one, of the heads of a group at once.
struct MixerPlan {
  ConvolutionPlan convolution;
  std::optional<DeltaRulePlan> delta = {};
  std::optional<StateSpacePlan> state_space = {};
};

}  // namespace roundlab
