#include "core/model/families/nemotron.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan NemotronBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Norms(NormKind::kLayer, 1, true);
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.up_proj", "mlp.down_proj", d.mlp_bias);
  return b.Done();
}

EndsPlan NemotronEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.final_norm = LayerNormPlan(d, "model.norm");
  ends.final_norm->offset = 1;
  return ends;
}

}  // namespace

ModelDescription DescribeNemotron(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.norm_eps = "norm_eps";
  defaults.eps = 1e-5;
  defaults.act = "relu2";
  defaults.rope.partial = 0.5;
  defaults.rope.may_be_partial = true;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  d.block_plan = NemotronBlock;
  d.ends_plan = NemotronEnds;
  return d;
}

}  // namespace roundlab
