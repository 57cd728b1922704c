#include "core/model/families/olmo_hybrid.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/families/olmo2.h"
#include "core/model/families/qwen3_next.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct OlmoHybrid {
  std::vector<bool> linear;  ///< a block: whether a delta rule takes attention's place
  DeltaRulePlan rule;
  std::int64_t taps = 4;
  bool turns = true;
};

BlockPlan OlmoHybridBlock(const ModelDescription& d, std::int64_t block, const OlmoHybrid& traits) {
  if (!traits.linear.at(static_cast<std::size_t>(block))) {
    BlockPlan plan = Olmo2Block(d, block);
    if (!traits.turns) plan.attention.rotary = RotaryStyle::kNone;
    return plan;
  }
  PlanBuilder b(d, block);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.DeltaRule("linear_attn", traits.rule, traits.taps);
  b.plan.norms.back().eps = 1e-5;  // whatever the model's
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp(GateUpDown("mlp."), false);
  return b.Done();
}

DeltaRulePlan ReadRule(const ConfigReader& config, const ModelDescription& d) {
  DeltaRulePlan rule;
  rule.apart = true;
  rule.key_heads = config.IntOr("linear_num_key_heads", d.heads);
  rule.value_heads = config.IntOr("linear_num_value_heads", d.heads);
  rule.key_dim = config.IntOr("linear_key_head_dim",
                              std::max<std::int64_t>(3 * d.hidden / (4 * rule.key_heads), 1));
  rule.value_dim = config.IntOr("linear_value_head_dim", 2 * rule.key_dim);
  rule.update_scale = config.BoolOr("linear_allow_neg_eigval", true) ? 2 : 1;
  CheckDeltaRule(config, d, rule);
  return rule;
}

}  // namespace

ModelDescription DescribeOlmoHybrid(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.vocab = 100352;
  defaults.max_positions = 65536;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  OlmoHybrid traits;
  const ConfigReader rope = RopeKeys(config);
  traits.turns = !rope.Mentions("rope_theta") || rope.Has("rope_theta");
  traits.linear = LayersOfKind(config, d.layers, "linear_attention", [&](std::int64_t i) {
    return i % 4 != 3 && (d.layers > 3 || i + 1 < d.layers);
  });
  traits.rule = ReadRule(config, d);
  traits.taps = config.IntOr("linear_conv_kernel_dim", 4);
  d.block_plan = With(OlmoHybridBlock, std::move(traits));
  d.ends_plan = LlamaEnds;
  // As published; transformers writes the latter for attention's blocks, too.
  d.naming.middles = {{".attention_layer_norm.", ".input_layernorm."},
                      {".feedforward_layer_norm.", ".post_attention_layernorm."}};
  return d;
}

}  // namespace roundlab
