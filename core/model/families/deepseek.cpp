#include "core/model/families/deepseek.h"

#include <algorithm>
#include <cmath>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"

namespace roundlab {
namespace {

struct Latents {
  std::int64_t queries;  // 0: none
  std::int64_t keys;
  std::int64_t value_dim;
  RotaryStyle rotary;
  double scale;
  bool bias;
};

BlockPlan DeepSeekBlock(const ModelDescription& d, std::int64_t block, const Latents& latents,
                        const Mixture& mixture) {
  PlanBuilder b(d, block);
  AttentionPlan& a = b.plan.attention;
  a.latent = latents.keys;
  a.kv_heads = a.heads;  // every head has its own key
  a.value_dim = std::min(latents.value_dim, a.head_dim);
  a.rotary = latents.rotary;
  a.rotary_begin = d.head_dim - d.rotary_dim;
  a.scale = latents.scale;
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.LatentAttention(latents.queries, latents.bias);
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

ModelDescription ReadDeepSeek(const ConfigReader& config, std::int64_t max_positions,
                              const GroupedMixture& experts) {
  const std::int64_t turned = config.IntOr("qk_rope_head_dim", 64);
  const std::int64_t passed = config.IntOr("qk_nope_head_dim", 128);
  ConfigDefaults defaults;
  defaults.max_positions = max_positions;
  defaults.head_dim = turned;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  d.kv_heads = d.heads;
  d.head_dim = turned;
  ReadRope(config, &d);
  d.head_dim = turned + passed;
  const bool none = config.Mentions("q_lora_rank") && !config.Has("q_lora_rank");
  Latents latents{none ? 0 : config.IntOr("q_lora_rank", 1536),
                  config.IntOr("kv_lora_rank", 512),
                  config.IntOr("v_head_dim", 128),
                  config.BoolOr("rope_interleave", true) ? RotaryStyle::kPair : RotaryStyle::kHalf,
                  ScoreScale(config, d),
                  config.BoolOr("attention_bias", false)};
  if (latents.value_dim > d.head_dim) {
    config.Fail("v_head_dim " + std::to_string(latents.value_dim) +
                " is above the width of a key, qk_nope_head_dim + qk_rope_head_dim " +
                std::to_string(d.head_dim));
  }
  d.block_plan = With(DeepSeekBlock, latents, ReadGroupedMixture(config, d, experts));
  d.ends_plan = LlamaEnds;
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
  return ReadDeepSeek(config, 2048, {experts, 1407, 2, 0, method != "greedy"});
}

ModelDescription DescribeDeepSeekV3(const ConfigReader& config) {
  ExpertsPlan experts = CorrectedExperts(256, 8);
  experts.factor = 2.5;
  experts.groups = 8;
  experts.groups_used = 4;
  ModelDescription d = ReadDeepSeek(config, 4096, {experts, 2048, 1, 3});
  d.mlp_bias = false;  // a key of DeepSeek-V2 alone
  PassOverNextTokenBlocks(config, &d);
  return d;
}

}  // namespace roundlab
