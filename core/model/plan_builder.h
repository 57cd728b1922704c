#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/model/description.h"
#include "core/model/plan.h"

namespace roundlab {

/// A LayerNorm as wide as the model, of its norm_eps: what EndsPlan often wants.
NormPlan LayerNormPlan(const ModelDescription& description, const std::string& name,
                       bool bias = true);

/// A block's plan by a function that wants more than description and block: those are told here.
template <typename Plan, typename... Known>
auto With(Plan plan, Known... known) {
  return [=](const ModelDescription& d, std::int64_t block) { return plan(d, block, known...); };
}

/// Mamba-2's mixer and what is around it.
struct StateSpaceTraits {
  StateSpacePlan space;
  std::int64_t taps = 0;
  bool convolution_bias = false;
  bool input_bias = false;
  bool output_bias = false;
  bool norm = true;
};

/// Writes down a block from the names of its parts; what families are made with. Attention and MLP
/// are added in this order, norms before what they feed. Names are without prefix and ".weight".
class PlanBuilder {
 public:
  /// `prefix`: of the block's names, "model.layers.3.". Heads, scale, window and rotary positions
  /// come from the description.
  PlanBuilder(const ModelDescription& description, std::int64_t block, std::string prefix);
  /// Prefix "model.layers.3.".
  PlanBuilder(const ModelDescription& description, std::int64_t block);

  /// What all norms of the block are like; RMS without offset where not called.
  PlanBuilder& Norms(NormKind kind, double offset = 0, bool bias = false);
  PlanBuilder& NormsWithoutWeight();  ///< those that follow; after Norms
  PlanBuilder& Norm(NormPlace place, const std::string& name);
  /// kQuery and kKey: `width` is head_dim, or of all heads.
  PlanBuilder& Norm(NormPlace place, const std::string& name, std::int64_t width,
                    std::int64_t split = 0);

  /// What most families call input_layernorm and self_attn.q_proj, k_proj, v_proj and o_proj, with
  /// biases and norms over each head of q and k (q_norm, k_norm) as the description has them.
  PlanBuilder& LlamaAttention();
  /// Norms over each head of q and k, self_attn.q_norm and k_norm.
  PlanBuilder& HeadNorms();
  /// q, k, v and output projection; a fifth name is that of what gates each value of the heads. v
  /// may be "": values are k's rows then.
  PlanBuilder& Attention(const std::vector<std::string>& names, bool qkv_bias, bool output_bias);
  /// self_attn.q_proj, or q_a_proj, q_a_layernorm and q_b_proj; kv_a_proj_with_mqa, kv_a_layernorm,
  /// kv_b_proj and o_proj. `queries`: the width of the queries' latent; 0: they have none. Widths
  /// of heads and the keys' latent are the plan's.
  PlanBuilder& LatentAttention(std::int64_t queries, bool bias);
  PlanBuilder& FusedAttention(const std::string& qkv, const std::string& output, FusedLayout layout,
                              bool qkv_bias, bool output_bias);
  /// LFM2's mixer in attention's place: NAME.in_proj, NAME.conv, NAME.out_proj.
  PlanBuilder& ShortConvolution(const std::string& name, std::int64_t taps, bool bias);
  /// Qwen3-Next's: NAME.in_proj_qkvz, NAME.in_proj_ba (or in_proj_qkv, _z, _b, _a), NAME.conv1d,
  /// NAME.A_log, NAME.dt_bias, NAME.norm, NAME.out_proj; or OLMo Hybrid's, NAME.q_proj, k, v, g, b,
  /// a_proj, q_conv1d, k, v_conv1d, o_norm, o_proj; or Kimi Linear's, with f_a, f_b, g_a, g_b_proj
  /// in place of a and g_proj. The names in `rule` are set here.
  PlanBuilder& DeltaRule(const std::string& name, DeltaRulePlan rule, std::int64_t taps);
  /// Mamba-2's: NAME.in_proj, NAME.conv1d, NAME.A_log, NAME.D, NAME.dt_bias, NAME.norm and
  /// NAME.out_proj. The names in `space` are set here. Behind attention it stands beside it.
  PlanBuilder& StateSpace(const std::string& name, const StateSpaceTraits& traits);
  /// gate, up and down; or gate and up in one, and down.
  PlanBuilder& GatedMlp(const std::vector<std::string>& names, bool bias);
  PlanBuilder& PlainMlp(const std::string& up, const std::string& down, bool bias);
  PlanBuilder& Plain();  ///< what follows is not gated: names are those of up and down
  /// `names` as of GatedMlp with "#" for the expert's number; `inner`: an expert's width.
  PlanBuilder& Experts(const ExpertsPlan& experts, const std::vector<std::string>& names,
                       std::int64_t inner);
  /// The MLP beside the experts that all tokens go through, `names` as of GatedMlp; before Experts.
  PlanBuilder& SharedExpert(const std::vector<std::string>& names, std::int64_t inner,
                            bool bias = false);
  /// What Experts called NAME.EXPERT lies in one tensor, NAME with this suffix.
  PlanBuilder& Stacked(const std::string& suffix);
  PlanBuilder& ExpertBiases();  ///< of all linears of experts; after Experts

  PlanBuilder& Sinks(const std::string& name);         ///< of attention, under this name
  PlanBuilder& OutputFactor(const std::string& name);  ///< see BlockPlan::output_factor
  /// The activation is xIELU, with its numbers under this name.
  PlanBuilder& XieluNumbers(const std::string& name);

  BlockPlan plan;  ///< what has been written so far; the rest is set here
  /// The plan with its norms' feeds.
  BlockPlan Done();

 private:
  PlanBuilder& Mlp(const std::vector<std::string>& names, std::int64_t inner, bool bias,
                   std::int64_t expert = -1);
  void Linear(const std::string& name, std::int64_t out, std::int64_t in, LinearRole role,
              std::size_t input, bool bias, std::int64_t expert = -1);
  std::size_t MlpInput();

  const ModelDescription& d_;
  std::string prefix_;
  NormPlan norm_;
  std::size_t inputs_ = 0;
};

}  // namespace roundlab
