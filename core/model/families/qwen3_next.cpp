#include "core/model/families/qwen3_next.h"

#include <optional>
#include <utility>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/multimodal.h"
#include "core/model/families/qwen2_moe.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {

void CheckDeltaRule(const ConfigReader& config, const ModelDescription& d,
                    const DeltaRulePlan& rule) {
  if (rule.value_heads % rule.key_heads != 0) {
    config.Fail("linear_num_key_heads " + std::to_string(rule.key_heads) +
                " does not divide linear_num_value_heads " + std::to_string(rule.value_heads));
  }
  if (d.activation != Activation::kSilu) Refuse(config, "hidden_act", "silu");
}

namespace {

struct HybridTraits {
  std::vector<bool> linear;  // a block: whether a delta rule takes attention's place
  DeltaRulePlan rule;
  std::int64_t taps;
  std::optional<Mixture> mixture = {};
};

BlockPlan HybridBlock(const ModelDescription& d, std::int64_t block, const HybridTraits& traits) {
  PlanBuilder b(d, block);
  b.Norms(NormKind::kRms, 1);
  if (traits.linear.at(static_cast<std::size_t>(block))) {
    b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
    b.DeltaRule("linear_attn", traits.rule, traits.taps);
  } else {
    b.plan.attention.gated = true;
    b.LlamaAttention();
  }
  if (traits.mixture) {
    AddMlp(*traits.mixture, d, block, &b);
  } else {
    b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
    b.GatedMlp(GateUpDown("mlp."), false);
  }
  return b.Done();
}

EndsPlan HybridEnds(const ModelDescription& d) {
  EndsPlan ends = LlamaEnds(d);
  ends.final_norm->offset = 1;
  return ends;
}

ModelDescription ReadHybrid(const ConfigReader& config, std::int64_t kv_heads) {
  ConfigDefaults defaults;
  defaults.kv_heads = kv_heads;
  defaults.head_dim = 256;
  defaults.max_positions = 32768;
  defaults.rope.partial = 0.25;
  defaults.rope.may_be_partial = true;
  defaults.rope.sections = true;
  ModelDescription d = ReadSizes(config, defaults);
  ReadRope(config, &d, defaults.rope);
  d.intermediate = config.IntOr("intermediate_size", 5632);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.ends_plan = HybridEnds;
  d.naming.other_parts = {"mtp."};
  return d;
}

HybridTraits ReadHybridTraits(const ConfigReader& config, const ModelDescription& d,
                              bool per_key_head) {
  const std::int64_t every = config.IntOr("full_attention_interval", 4);
  DeltaRulePlan rule;
  rule.key_heads = config.IntOr("linear_num_key_heads", 16);
  rule.value_heads = config.IntOr("linear_num_value_heads", 32);
  rule.key_dim = config.IntOr("linear_key_head_dim", 128);
  rule.value_dim = config.IntOr("linear_value_head_dim", 128);
  rule.per_key_head = per_key_head;
  CheckDeltaRule(config, d, rule);
  RequireFlag(config, "attn_output_gate", true);
  const auto linear = [&](std::int64_t i) { return (i + 1) % every != 0; };
  return {LayersOfKind(config, d.layers, "linear_attention", linear), std::move(rule),
          config.IntOr("linear_conv_kernel_dim", 4)};
}

}  // namespace

ModelDescription DescribeQwen3Next(const ConfigReader& config) {
  ModelDescription d = ReadHybrid(config, 2);
  HybridTraits traits = ReadHybridTraits(config, d, true);
  traits.mixture = ReadQwenExperts(config, {512, 10, 512, 512});
  traits.mixture->experts.normalize = config.BoolOr("norm_topk_prob", true);
  traits.mixture->dense = DenseBlocks(config, d.layers);
  d.block_plan = With(HybridBlock, std::move(traits));
  return d;
}

ModelDescription DescribeQwen35Text(const ConfigReader& config) {
  ModelDescription d = ReadHybrid(config, 4);
  d.intermediate = config.IntOr("intermediate_size", 12288);
  d.block_plan = With(HybridBlock, ReadHybridTraits(config, d, false));
  NameWithin({}, &d);
  return d;
}

ModelDescription DescribeQwen35MoeText(const ConfigReader& config) {
  ModelDescription d = ReadHybrid(config, 2);
  HybridTraits traits = ReadHybridTraits(config, d, false);
  traits.mixture = ReadQwenExperts(config, {256, 8, 512, 512});
  d.apart_plan = With(HybridBlock, traits);
  StackExperts(&*traits.mixture);
  d.block_plan = With(HybridBlock, std::move(traits));
  NameWithin({}, &d);
  return d;
}

}  // namespace roundlab
