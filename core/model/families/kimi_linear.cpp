#include "core/model/families/kimi_linear.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/latents.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/families/qwen3_next.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct KimiLinear {
  std::vector<bool> linear;  ///< a block: whether a delta rule takes attention's place
  DeltaRulePlan rule;
  std::int64_t taps = 4;
  Latents latents{.queries = 0, .rotary = RotaryStyle::kNone};
  Mixture mixture;
};

BlockPlan KimiLinearBlock(const ModelDescription& d, std::int64_t block, const KimiLinear& traits) {
  PlanBuilder b(d, block);
  if (traits.linear.at(static_cast<std::size_t>(block))) {
    b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
    b.DeltaRule("self_attn", traits.rule, traits.taps);
  } else {
    AddLatentAttention(d, traits.latents, &b);
  }
  AddMlp(traits.mixture, d, block, &b);
  return b.Done();
}

/// With its keys under the names that DeepSeek-V3 has for them.
ConfigReader Renamed(const ConfigReader& config) {
  static const std::vector<std::pair<const char*, const char*>> kNames = {
      {"num_experts", "n_routed_experts"},
      {"num_local_experts", "n_routed_experts"},
      {"num_experts_per_token", "num_experts_per_tok"},
      {"num_shared_experts", "n_shared_experts"},
      {"moe_renormalize", "norm_topk_prob"},
      {"num_expert_group", "n_group"},
      {"model_max_length", "max_position_embeddings"}};
  nlohmann::json more = nlohmann::json::object();
  for (const auto& [own, name] : kNames) {
    if (config.Has(own) && !more.contains(name)) more[name] = config.root().at(own);
  }
  return config.Over(more);
}

/// layer_types, or the numbers from 1 of linear_attn_config's full_attn_layers.
std::vector<bool> LinearLayers(const ConfigReader& config, const ConfigReader& linear,
                               std::int64_t layers) {
  const char* key = "full_attn_layers";
  const bool listed = linear.Has(key);
  std::vector<bool> absent(static_cast<std::size_t>(layers), listed);
  for (const std::int64_t layer : linear.Integers(key)) {
    if (layer < 1 || layer > layers) {
      Refuse(linear, key, "layers from 1 to " + std::to_string(layers));
    }
    absent[static_cast<std::size_t>(layer - 1)] = false;
  }
  return LayersOfKind(config, layers, "linear_attention", [&](std::int64_t i) {
    return listed ? absent[static_cast<std::size_t>(i)] : i == 0 || i % 4 != 0;
  });
}

void ReadRule(const ConfigReader& config, const ConfigReader& linear, const ModelDescription& d,
              KimiLinear* traits) {
  DeltaRulePlan& rule = traits->rule;
  rule.apart = rule.by_channel = true;
  rule.latent = linear.IntOr("head_dim", config.IntOr("linear_head_dim", 128));
  rule.key_dim = rule.value_dim = rule.latent;
  rule.key_heads = linear.IntOr("num_heads", config.IntOr("linear_num_heads", 32));
  rule.value_heads = rule.key_heads;
  traits->taps = linear.IntOr("short_conv_kernel_size", config.IntOr("linear_conv_kernel_dim", 4));
  CheckDeltaRule(config, d, rule);
}

Mixture ReadKimiExperts(const ConfigReader& config, const ModelDescription& d) {
  ExpertsPlan experts = CorrectedExperts(256, 8);
  experts.factor = 2.446;
  Mixture mixture = ReadGroupedMixture(config, d, {experts, 1024, 1, 1});
  mixture.names = {"mlp.experts.#.w1", "mlp.experts.#.w3", "mlp.experts.#.w2"};
  ReadMlpTypes(config, d, &mixture);
  return mixture;
}

}  // namespace

ModelDescription DescribeKimiLinear(const ConfigReader& given) {
  const ConfigReader config = Renamed(given);
  const char* key = "linear_attn_config";
  const ConfigReader linear = config.Has(key) ? config.Inside(key) : config.Without();
  ConfigDefaults defaults;
  defaults.vocab = 163840;
  defaults.max_positions = 1048576;
  defaults.eps = 1e-5;
  KimiLinear traits;
  Latents& latents = traits.latents;
  latents.turned = config.IntOr("qk_rope_head_dim", latents.turned);
  latents.passed = config.IntOr("qk_nope_head_dim", latents.passed);
  defaults.head_dim = latents.turned;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("intermediate_size", 9216);
  d.kv_heads = d.heads;
  d.head_dim = latents.turned + latents.passed;
  d.rotary_dim = latents.turned;  // which all heads' keys share, but none turns
  latents.scale = 1 / std::sqrt(static_cast<double>(d.head_dim));
  ReadLatentWidths(config, d.head_dim, &latents);
  RequireFlag(config, "attention_bias", false);
  traits.linear = LinearLayers(config, linear, d.layers);
  ReadRule(config, linear, d, &traits);
  traits.mixture = ReadKimiExperts(config, d);
  d.block_plan = With(KimiLinearBlock, std::move(traits));
  d.ends_plan = LlamaEnds;
  d.naming.middles = {{".block_sparse_moe.", ".mlp."}};
  return d;
}

}  // namespace roundlab
