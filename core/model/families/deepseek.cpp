#include "core/model/families/deepseek.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/model/common_config.h"
#include "core/model/families/granite.h"
#include "core/model/families/latents.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"

namespace roundlab {
namespace {

BlockPlan DeepSeekBlock(const ModelDescription& d, std::int64_t block, const Latents& latents,
                        const Mixture& mixture) {
  PlanBuilder b(d, block);
  AddLatentAttention(d, latents, &b);
  AddMlp(mixture, d, block, &b);
  return b.Done();
}

/// A context stretched by YaRN multiplies scores by mscale(factor, mscale_all_dim)^2.
double ScoreScale(const ConfigReader& config, const ModelDescription& d) {
  const double scale = 1 / std::sqrt(static_cast<double>(d.head_dim));
  const ConfigReader inner = RopeKeys(config);
  if (d.rope.type == RopeType::kDefault || !HasFactor(inner, "mscale_all_dim")) return scale;
  const double stretch = YarnScale(d.rope.factor, inner.Positive("mscale_all_dim"));
  return scale * stretch * stretch;
}

/// All but the block's plan.
ModelDescription ReadLatentModel(const ConfigReader& config, ConfigDefaults defaults,
                                 Latents* latents) {
  latents->turned = config.IntOr("qk_rope_head_dim", latents->turned);
  latents->passed = config.IntOr("qk_nope_head_dim", latents->passed);
  defaults.head_dim = latents->turned;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  d.kv_heads = d.heads;
  const std::int64_t whole = latents->turned + latents->passed;
  // partial_rotary_factor, where a family has it, says the same of a whole head.
  const bool of_whole = defaults.rope.may_be_partial;
  if (of_whole) {
    defaults.rope.partial = static_cast<double>(latents->turned) / static_cast<double>(whole);
  }
  d.head_dim = of_whole ? whole : latents->turned;
  ReadRope(config, &d, defaults.rope);
  if (d.rotary_dim != latents->turned) {
    config.Fail("partial_rotary_factor: " + std::to_string(d.rotary_dim) +
                " dimensions, but qk_rope_head_dim is " + std::to_string(latents->turned));
  }
  d.head_dim = whole;
  ReadLatentWidths(config, d.head_dim, latents);
  const bool pairs = config.BoolOr("rope_interleave", true);
  latents->rotary = pairs ? RotaryStyle::kPair : RotaryStyle::kHalf;
  latents->scale = ScoreScale(config, d);
  latents->bias = config.BoolOr("attention_bias", false);
  d.ends_plan = LlamaEnds;
  return d;
}

/// No block has experts.
void LayDenseLatents(const Latents& latents, ModelDescription* d) {
  Mixture mixture{};
  for (std::int64_t i = 0; i < d->layers; ++i) mixture.dense.insert(i);
  d->block_plan = With(DeepSeekBlock, latents, mixture);
}

ModelDescription ReadDeepSeek(const ConfigReader& config, std::int64_t max_positions,
                              const GroupedMixture& experts) {
  ConfigDefaults defaults;
  defaults.max_positions = max_positions;
  Latents latents;
  ModelDescription d = ReadLatentModel(config, defaults, &latents);
  d.block_plan = With(DeepSeekBlock, latents, ReadGroupedMixture(config, d, experts));
  return d;
}

}  // namespace

ModelDescription DescribeDeepSeekV2(const ConfigReader& config) {
  RequireFlag(config, "norm_topk_prob", false);
  const std::string method = config.TextOr("topk_method", "greedy");
  if (method != "greedy" && method != "group_limited_greedy") {
    Refuse(config, "topk_method", "greedy, group_limited_greedy");
  }
  ExpertsPlan experts;
  experts.count = 64;
  experts.used = config.Int("num_experts_per_tok");
  experts.normalize = false;
  ModelDescription d = ReadDeepSeek(config, 2048, {experts, 1407, 2, 0, method != "greedy"});
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  return d;
}

ModelDescription DescribeDeepSeekV3(const ConfigReader& config) {
  ExpertsPlan experts = CorrectedExperts(256, 8);
  experts.factor = 2.5;
  experts.groups = 8;
  experts.groups_used = 4;
  ModelDescription d = ReadDeepSeek(config, 4096, {experts, 2048, 1, 3});
  PassOverNextTokenBlocks(config, &d);
  return d;
}

ModelDescription DescribeGlm4MoeLite(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  defaults.max_positions = 202752;
  Latents latents;
  latents.queries = 768;
  latents.passed = 192;
  latents.value_dim = 256;
  ModelDescription d = ReadLatentModel(config, defaults, &latents);
  ExpertsPlan experts = CorrectedExperts(64, 4);
  experts.factor = 1.8;
  Mixture mixture = ReadGroupedMixture(config, d, {experts, 1536, 1, 1});
  // Without mlp_layer_types the first block is dense, whatever first_k_dense_replace says.
  if (!config.Has("mlp_layer_types")) RequireInt(config, "first_k_dense_replace", 1);
  ReadMlpTypes(config, d, &mixture);
  d.block_plan = With(DeepSeekBlock, latents, mixture);
  PassOverNextTokenBlocks(config, &d);
  return d;
}

ModelDescription DescribeMistral4(const ConfigReader& given) {
  const nlohmann::json stretched = {
      {"rope_type", "yarn"}, {"factor", 128},       {"original_max_position_embeddings", 8192},
      {"mscale", 1},         {"mscale_all_dim", 1}, {"llama_4_scaling_beta", 0.1}};
  const ConfigReader config =
      given.Has("rope_scaling") ? given : given.Over({{"rope_parameters", stretched}});
  ConfigDefaults defaults;
  defaults.vocab = 131072;
  defaults.max_positions = 1048576;
  defaults.rope.may_be_partial = true;
  Latents latents{.queries = 1024, .keys = 256, .passed = 64};
  ModelDescription d = ReadLatentModel(config, defaults, &latents);
  const ConfigReader rope = RopeKeys(config);
  if (HasFactor(rope, "llama_4_scaling_beta")) {
    d.temper = TemperDescription{rope.Positive("llama_4_scaling_beta"),
                                 rope.Positive("original_max_position_embeddings")};
  }
  ExpertsPlan experts;
  experts.count = 128;
  experts.used = 4;
  Mixture mixture = ReadGroupedMixture(config, d, {experts, 2048, 1, 0});
  RequireInt(config, "n_group", 1);  // those of more are scored otherwise than DeepSeek-V2's
  mixture.experts.in_float = false;
  d.apart_plan = With(DeepSeekBlock, latents, mixture);
  StackExperts(&mixture);
  d.block_plan = With(DeepSeekBlock, latents, mixture);
  return d;
}

ModelDescription DescribeYoutu(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.max_positions = 131072;
  defaults.tied = true;
  Latents latents;
  ModelDescription d = ReadLatentModel(config, defaults, &latents);
  LayDenseLatents(latents, &d);
  return d;
}

ModelDescription DescribeMiniCpm3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  defaults.max_positions = 32768;
  defaults.tied = true;
  Latents latents;
  latents.queries = 768;
  latents.keys = 256;
  latents.passed = 64;
  latents.turned = 32;
  latents.value_dim = config.Int("hidden_size") / config.Int("num_attention_heads");
  ModelDescription d = ReadLatentModel(config, defaults, &latents);
  latents.rotary = RotaryStyle::kHalf;
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  LayDenseLatents(latents, &d);
  const auto depth = std::sqrt(static_cast<double>(d.layers));
  const auto width = static_cast<double>(d.hidden);
  // A scale that is null is 1.
  const auto scale = [&](const char* key, double absent, double one) {
    return config.Mentions(key) ? config.PositiveOr(key, one) : absent;
  };
  ScaleParts({latents.scale, scale("scale_depth", 1.4, depth) / depth,
              config.PositiveOr("scale_emb", 12), scale("dim_model_base", 256, width) / width},
             &d);
  return d;
}

}  // namespace roundlab
