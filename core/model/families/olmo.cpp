#include "core/model/families/olmo.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan OlmoBlock(const ModelDescription& d, std::int64_t block, double clip) {
  PlanBuilder b(d, block);
  b.plan.attention.clip = clip;
  b.Norms(NormKind::kLayer).NormsWithoutWeight();
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

EndsPlan OlmoEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.final_norm = LayerNormPlan(d, "model.norm", false);
  ends.final_norm->stored = false;
  return ends;
}

}  // namespace

ModelDescription DescribeOlmo(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.norm_eps = "";  // no key: not in the configuration
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  const double clip = config.PositiveOr("clip_qkv", 0);
  d.block_plan = With(OlmoBlock, clip);
  d.ends_plan = OlmoEnds;
  return d;
}

}  // namespace roundlab
