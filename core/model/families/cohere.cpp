#include "core/model/families/cohere.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan CohereBlock(const ModelDescription& d, std::int64_t block, bool qk_norm) {
  PlanBuilder b(d, block);
  b.plan.parallel = true;
  b.plan.attention.rotary = RotaryStyle::kPair;
  b.Norms(NormKind::kLayer);
  b.LlamaAttention();
  if (qk_norm) {
    b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim, d.heads);
    b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim, d.kv_heads);
    for (NormPlan& norm : b.plan.norms) norm.stacked = norm.split > 0;
  }
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

ModelDescription ReadCohere(const ConfigReader& config, double theta) {
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.tied = true;
  defaults.max_positions = 8192;
  defaults.rope.theta = theta;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  const double scale = config.PositiveOr("logit_scale", 0.0625);
  d.ends_plan = [scale](const ModelDescription& m) {
    EndsPlan ends;
    ends.final_norm = LayerNormPlan(m, "model.norm", false);
    ends.logit_scale = scale;
    return ends;
  };
  return d;
}

}  // namespace

ModelDescription DescribeCohere(const ConfigReader& config) {
  ModelDescription d = ReadCohere(config, 5e5);
  const bool qk_norm = config.BoolOr("use_qk_norm", false);
  d.block_plan = With(CohereBlock, qk_norm);
  return d;
}

ModelDescription DescribeCohere2(const ConfigReader& config) {
  ModelDescription d = ReadCohere(config, 10000);
  RequireFlag(config, "use_qk_norm", false);
  ReadPattern(config, 4096, PatternOr(config, 4), &d);
  d.block_plan = [](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = CohereBlock(m, i, false);
    if (plan.attention.window == 0) plan.attention.rotary = RotaryStyle::kNone;
    return plan;
  };
  return d;
}

}  // namespace roundlab
