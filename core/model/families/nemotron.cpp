#include "core/model/families/nemotron.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan NemotronBlock(const ModelDescription& d, std::int64_t block, double offset) {
  PlanBuilder b(d, block);
  b.Norms(NormKind::kLayer, offset, true);
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.up_proj", "mlp.down_proj", d.mlp_bias);
  return b.Done();
}

/// Lays out block and ends; norms multiply by offset + w.
void LayNemotron(double offset, ModelDescription* d) {
  d->block_plan = With(NemotronBlock, offset);
  d->ends_plan = [offset](const ModelDescription& m) {
    EndsPlan ends;
    ends.final_norm = LayerNormPlan(m, "model.norm");
    ends.final_norm->offset = offset;
    return ends;
  };
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
  LayNemotron(1, &d);
  return d;
}

ModelDescription DescribeJais2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.act = "relu2";
  defaults.max_positions = 8192;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", true);
  d.mlp_bias = config.BoolOr("mlp_bias", true);
  LayNemotron(0, &d);
  return d;
}

}  // namespace roundlab
