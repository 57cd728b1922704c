#include "core/model/families/laguna.h"

#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct Laguna {
  std::vector<std::int64_t> heads;  ///< of each block; empty: the model's
  std::vector<bool> sliding;
  double turned = 1;  ///< share of a head's dimensions, where all keys are seen
  double turned_sliding = 1;
  bool gate_per_head = true;
  Mixture mixture;
};

std::int64_t Turned(std::int64_t head_dim, double share) {
  return static_cast<std::int64_t>(static_cast<double>(head_dim) * share);
}

BlockPlan LagunaBlock(const ModelDescription& d, std::int64_t block, const Laguna& traits) {
  const auto place = static_cast<std::size_t>(block);
  const bool sliding = traits.sliding.at(place);
  PlanBuilder b(d, block);
  AttentionPlan& a = b.plan.attention;
  if (!traits.heads.empty()) a.heads = traits.heads.at(place);
  a.rope = sliding ? 1 : 0;
  a.rotary_dim = Turned(a.head_dim, sliding ? traits.turned_sliding : traits.turned);
  a.gate_per_head = traits.gate_per_head;
  a.softplus_gate = true;
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
               "self_attn.g_proj"},
              d.qkv_bias, d.output_bias);
  b.HeadNorms();
  AddMlp(traits.mixture, d, block, &b);
  return b.Done();
}

std::vector<std::int64_t> HeadsOfBlocks(const ConfigReader& config, const ModelDescription& d) {
  const char* key = "num_attention_heads_per_layer";
  std::vector<std::int64_t> heads = config.Integers(key);
  if (heads.empty()) return heads;
  bool fit = heads.size() == static_cast<std::size_t>(d.layers);
  for (const std::int64_t count : heads) fit = fit && count > 0 && count % d.kv_heads == 0;
  if (!fit) {
    Refuse(config, key,
           std::to_string(d.layers) + " multiples of num_key_value_heads " +
               std::to_string(d.kv_heads));
  }
  return heads;
}

/// The rotary positions of one kind of layer, and the share of a head's dimensions that they turn.
std::pair<RopeDescription, double> ReadRopeOf(const ConfigReader& config, const char* kind,
                                              double theta, double share, std::int64_t head_dim) {
  const ConfigReader own = RopeKeysOf(config, kind);
  const double part = own.PositiveOr("partial_rotary_factor", own.root().empty() ? share : 1);
  const std::int64_t turned = Turned(head_dim, part);
  if (part > 1 || turned < 2 || turned % 2 != 0) {
    own.Fail("partial_rotary_factor: " + nlohmann::json(part).dump() + " of head_dim " +
             std::to_string(head_dim) + " is " + std::to_string(turned) +
             " dimensions, expected an even number of them");
  }
  return {ReadRopeParameters(config, own, {theta}, turned), part};
}

Mixture ReadLagunaExperts(const ConfigReader& config, const ModelDescription& d) {
  RequireFlag(config, "moe_apply_router_weight_on_input", false);
  ExpertsPlan experts =
      CorrectedExperts(ExpertCount(config, 256), config.IntOr("num_experts_per_tok", 8));
  experts.router = "mlp.gate";
  experts.correction = "mlp.experts.e_score_correction_bias";
  experts.in_float = false;
  experts.factor = config.PositiveOr("moe_routed_scaling_factor", 1);
  const char* cap = "moe_router_logit_softcapping";
  if (HasFactor(config, cap)) experts.cap = config.Positive(cap);
  experts.shared = true;
  Mixture mixture{
      experts, GateUpDown("mlp.experts.#."), config.IntOr("moe_intermediate_size", 512), {}};
  mixture.shared = GateUpDown("mlp.shared_expert.");
  mixture.shared_inner = config.IntOr("shared_expert_intermediate_size", 512);
  if (!config.Has("mlp_layer_types")) mixture.dense = {0};
  ReadMlpTypes(config, d, &mixture);
  CheckExperts(config, experts);
  return mixture;
}

}  // namespace

ModelDescription DescribeLaguna(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.vocab = 100352;
  defaults.max_positions = 131072;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("intermediate_size", 8192);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  Laguna traits;
  traits.sliding = ReadSliding(
      config, 512, [](std::int64_t) { return false; }, &d);
  traits.heads = HeadsOfBlocks(config, d);
  std::tie(d.rope, traits.turned) = ReadRopeOf(config, "full_attention", 5e5, 0.5, d.head_dim);
  RopeDescription local;
  std::tie(local, traits.turned_sliding) =
      ReadRopeOf(config, "sliding_attention", 1e4, 1, d.head_dim);
  d.local_rope = local;
  // Gates of each value in any other case, as in transformers.
  const bool named = config.Has("gating") && config.root().at("gating").is_string();
  traits.gate_per_head =
      named ? config.TextOr("gating", "") == "per-head" : config.BoolOr("gating", true);
  traits.mixture = ReadLagunaExperts(config, d);
  d.block_plan = With(LagunaBlock, std::move(traits));
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
