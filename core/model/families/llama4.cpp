#include "core/model/families/llama4.h"

#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct Llama4 {
  Mixture mixture;
  std::vector<bool> turned;   ///< layers with rotary positions
  std::vector<bool> chunked;  ///< layers that see a chunk
  std::int64_t chunk = 8192;
  bool qk_norm = true;
};

BlockPlan Llama4Block(const ModelDescription& d, std::int64_t block, const Llama4& traits) {
  const auto place = static_cast<std::size_t>(block);
  const Mixture& mixture = traits.mixture;
  PlanBuilder b(d, block);
  b.LlamaAttention().Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  if (mixture.dense.count(block) > 0) {
    b.GatedMlp(GateUpDown("feed_forward."), false);
  } else {
    b.SharedExpert(mixture.shared, mixture.shared_inner);
    b.Experts(mixture.experts, mixture.names, mixture.inner).Stacked("");
  }
  for (LinearPlan& linear : b.plan.linears) linear.transposed = linear.expert >= 0;
  AttentionPlan& a = b.plan.attention;
  a.chunk = traits.chunked.at(place) ? traits.chunk : 0;
  a.rotary = traits.turned.at(place) ? RotaryStyle::kPair : RotaryStyle::kNone;
  a.tempered = d.temper && !traits.turned.at(place);
  a.norm_after_rotary = true;
  if (traits.qk_norm && traits.turned.at(place)) {
    b.NormsWithoutWeight();
    b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim);
    b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim);
  }
  return b.Done();
}

/// no_rope_layers has 1 where a layer has rotary positions.
std::vector<bool> TurnedLayers(const ConfigReader& config, std::int64_t layers) {
  const char* key = "no_rope_layers";
  const std::vector<std::int64_t> listed = config.Integers(key);
  if (!listed.empty() && static_cast<std::int64_t>(listed.size()) < layers) {
    config.Fail(std::string(key) + ": expected " + std::to_string(layers) + " entries, got " +
                std::to_string(listed.size()));
  }
  const std::int64_t interval = config.IntOr("no_rope_layer_interval", 4);
  std::vector<bool> turned;
  for (std::int64_t i = 0; i < layers; ++i) {
    turned.push_back(listed.empty() ? (i + 1) % interval != 0
                                    : listed[static_cast<std::size_t>(i)] != 0);
  }
  return turned;
}

Mixture ReadLlama4Experts(const ConfigReader& config, std::int64_t layers) {
  const std::string mlp = "feed_forward.";
  Mixture mixture{{mlp + "router", config.IntOr("num_local_experts", 16),
                   config.IntOr("num_experts_per_tok", 1), false},
                  {mlp + "experts.gate_up_proj.#", mlp + "experts.down_proj.#"},
                  config.IntOr("intermediate_size", 8192),
                  {}};
  mixture.experts.routing = Routing::kSigmoid;
  mixture.experts.shared = mixture.experts.weighs_input = true;
  mixture.shared = GateUpDown(mlp + "shared_expert.");
  mixture.shared_inner = mixture.inner;
  CheckExperts(config, mixture.experts);
  const std::int64_t step = config.IntOr("interleave_moe_layer_step", 1);
  for (std::int64_t i = 0; i < layers; ++i) {
    if (config.Has("moe_layers") || (i + 1) % step != 0) mixture.dense.insert(i);
  }
  for (const std::int64_t i : config.Integers("moe_layers")) mixture.dense.erase(i);
  return mixture;
}

}  // namespace

ModelDescription DescribeLlama4(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.eps = 1e-5;
  defaults.max_positions = 131072;
  defaults.rope.theta = 5e5;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("intermediate_size_mlp", 16384);
  ReadRope(config, &d, defaults.rope);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  if (config.BoolOr("attn_temperature_tuning", true) &&
      (!config.Has("attn_scale") || HasFactor(config, "attn_scale"))) {
    d.temper = TemperDescription{config.PositiveOr("attn_scale", 0.1),
                                 config.PositiveOr("floor_scale", 8192), 1};
  }
  Llama4 traits;
  traits.mixture = ReadLlama4Experts(config, d.layers);
  traits.turned = TurnedLayers(config, d.layers);
  traits.chunked = LayersOfKind(config, d.layers, "chunked_attention", [&](std::int64_t i) {
    return traits.turned[static_cast<std::size_t>(i)];
  });
  const bool without =
      config.Mentions("attention_chunk_size") && !config.Has("attention_chunk_size");
  if (without) config.Fail("attention_chunk_size: null is not supported (expected a number)");
  traits.chunk = config.IntOr("attention_chunk_size", traits.chunk);
  traits.qk_norm = config.BoolOr("use_qk_norm", true);
  d.block_plan = With(Llama4Block, traits);
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
