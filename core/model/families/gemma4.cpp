#include "core/model/families/gemma4.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/gemma.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

/// What layers that see all keys have in place of the model's.
struct WideHeads {
  std::int64_t head_dim = 512;
  std::int64_t kv_heads = 0;

  bool operator==(const WideHeads&) const = default;
};

struct Gemma4 {
  std::vector<bool> sliding;
  WideHeads wide;
  bool keys_are_values = false;  ///< of layers that see all keys
  ExpertsPlan experts;           ///< count 0: none
  std::int64_t inner = 0;        ///< an expert's width
};

void AddExperts(const Gemma4& traits, PlanBuilder* b) {
  b->Norm(NormPlace::kOnSharedMlp, "post_feedforward_layernorm_1");
  b->Norm(NormPlace::kBeforeExperts, "pre_feedforward_layernorm_2");
  b->Norm(NormPlace::kOnExperts, "post_feedforward_layernorm_2");
  b->Experts(traits.experts, {"experts.gate_up_proj.#", "experts.down_proj.#"}, traits.inner)
      .Stacked("");
}

BlockPlan Gemma4Block(const ModelDescription& d, std::int64_t block, const Gemma4& traits) {
  const bool sliding = traits.sliding.at(static_cast<std::size_t>(block));
  PlanBuilder b(d, block);
  AttentionPlan& a = b.plan.attention;
  a.scale = 1;
  a.rope = sliding ? 1 : 0;
  if (!sliding) {
    a.head_dim = a.value_dim = a.rotary_dim = traits.wide.head_dim;
    a.kv_heads = traits.wide.kv_heads;
  }
  const bool shared = traits.keys_are_values && !sliding;
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", shared ? "" : "self_attn.v_proj",
               "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  b.HeadNorms();
  b.Norm(NormPlace::kOnAttention, "post_attention_layernorm");
  b.Norm(NormPlace::kBeforeMlp, "pre_feedforward_layernorm");
  b.Norm(NormPlace::kOnMlp, "post_feedforward_layernorm");
  b.GatedMlp(GateUpDown("mlp."), false);
  if (traits.experts.count > 0) AddExperts(traits, &b);
  b.OutputFactor("layer_scalar");
  b.NormsWithoutWeight();
  b.Norm(NormPlace::kValue, "self_attn.v_norm", a.head_dim);
  if (traits.experts.count > 0) b.Norm(NormPlace::kRouter, "router.norm");
  return b.Done();
}

/// per_layer_config, as transformers 5 writes it: what it has for a layer, by number.
WideHeads ReadLayers(const ConfigReader& config, const ModelDescription& d,
                     const std::vector<bool>& sliding) {
  const ConfigReader layers = config.Inside("per_layer_config");
  std::vector<WideHeads> found;
  for (std::size_t i = 0; i < sliding.size(); ++i) {
    const std::string key = std::to_string(i);
    WideHeads own{d.head_dim, d.kv_heads};
    if (layers.Has(key.c_str())) {
      const ConfigReader layer = layers.Inside(key.c_str());
      own = {layer.IntOr("head_dim", own.head_dim),
             layer.IntOr("num_key_value_heads", own.kv_heads)};
    }
    const WideHeads expected =
        sliding[i] ? WideHeads{d.head_dim, d.kv_heads} : (found.empty() ? own : found.front());
    if (!(own == expected)) {
      config.Fail("per_layer_config: layer " + key +
                  " has other heads than those of its kind before it, which is not supported");
    }
    if (!sliding[i]) found.push_back(own);
  }
  return found.empty() ? WideHeads{d.head_dim, d.kv_heads} : found.front();
}

WideHeads ReadWideHeads(const ConfigReader& config, const ModelDescription& d,
                        const Gemma4& traits) {
  WideHeads wide;
  if (config.Has("per_layer_config")) {
    wide = ReadLayers(config, d, traits.sliding);
  } else {
    wide.head_dim = config.IntOr("global_head_dim", 512);
    const std::int64_t own = config.IntOr("num_global_key_value_heads", d.kv_heads);
    wide.kv_heads = traits.keys_are_values ? own : d.kv_heads;
  }
  if (d.heads % wide.kv_heads != 0) {
    config.Fail("num_global_key_value_heads " + std::to_string(wide.kv_heads) +
                " does not divide num_attention_heads " + std::to_string(d.heads));
  }
  RequireEven(config, "global_head_dim", wide.head_dim);
  return wide;
}

/// The rotary positions of one kind of layer.
RopeDescription ReadRopeOf(const ConfigReader& config, const char* kind, const char* type,
                           double theta, std::int64_t width) {
  const ConfigReader own = RopeKeysOf(config, kind);
  if (own.TextOr("rope_type", type) != "proportional") {
    return ReadRopeParameters(config, own, {theta}, width);
  }
  RopeDescription rope;
  rope.type = RopeType::kProportional;
  rope.theta = own.PositiveOr("rope_theta", theta);
  rope.factor = own.PositiveOr("factor", 1);
  rope.share = own.PositiveOr("partial_rotary_factor", own.root().empty() ? 0.25 : 1);
  if (rope.share > 1) own.Fail("partial_rotary_factor: expected at most 1");
  return rope;
}

void ReadExperts(const ConfigReader& config, Gemma4* traits) {
  if (!config.BoolOr("enable_moe_block", false)) return;
  traits->experts.router = "router.proj";
  traits->experts.count = config.Int("num_experts");
  traits->experts.used = config.Int("top_k_experts");
  traits->experts.router_scale = "router.scale";
  traits->experts.expert_factors = "router.per_expert_scale";
  traits->inner = config.Int("moe_intermediate_size");
  CheckExperts(config, traits->experts);
}

/// Throws for what the language model of this file has and this one has not. Only images are seen
/// both ways where use_bidirectional_attention is "vision".
ConfigReader Checked(const ConfigReader& config) {
  const char* own = "hidden_size_per_layer_input";
  const bool null = config.Mentions(own) && !config.Has(own);
  const std::int64_t width = null ? 0 : config.AnyIntOr(own, 256);
  if (width != 0) {
    config.Fail(std::string(own) + ": " + std::to_string(width) +
                " is not supported (allowed: 0): layers with embeddings of their own, of which "
                "Gemma 4 E2B and E4B are");
  }
  RequireInt(config, "num_kv_shared_layers", 0);
  const char* key = "use_bidirectional_attention";
  nlohmann::json keys = config.root();
  if (config.Has(key) && keys.at(key) == "vision") keys.erase(key);
  return config.Without().Over(keys);
}

ModelDescription Read(const ConfigReader& config) {
  ConfigDefaults defaults = GemmaDefaults("hidden_activation", 4);
  defaults.head_count = 8;
  defaults.vocab = 262144;
  defaults.max_positions = 131072;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  RequireEven(config, "head_dim", d.head_dim);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  return d;
}

}  // namespace

ModelDescription DescribeGemma4(const ConfigReader& given) {
  const ConfigReader config = Checked(given);
  ModelDescription d = Read(config);
  Gemma4 traits;
  traits.sliding = ReadSliding(
      config, 512, [](std::int64_t i) { return (i + 1) % 6 != 0; }, &d);
  traits.sliding.back() = false;  // whatever layer_types says
  d.windows.back() = 0;
  traits.keys_are_values = config.BoolOr("attention_k_eq_v", false);
  traits.wide = ReadWideHeads(config, d, traits);
  d.rope = ReadRopeOf(config, "full_attention", "proportional", 1e6, traits.wide.head_dim);
  d.local_rope = ReadRopeOf(config, "sliding_attention", "default", 1e4, d.head_dim);
  ReadExperts(config, &traits);
  d.block_plan = With(Gemma4Block, std::move(traits));
  d.ends_plan = GemmaEnds(0, GemmaSoftCap(config, "final_logit_softcapping", 0));
  return d;
}

}  // namespace roundlab
