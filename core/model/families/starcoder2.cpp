#include "core/model/families/starcoder2.h"

#include "core/model/common_config.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan Starcoder2Block(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Norms(NormKind::kLayer, 0, true);
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.c_fc", "mlp.c_proj", d.mlp_bias);
  return b.Done();
}

EndsPlan Starcoder2Ends(const ModelDescription& d) {
  EndsPlan ends;
  ends.final_norm = LayerNormPlan(d, "model.norm");
  return ends;
}

}  // namespace

ModelDescription DescribeStarcoder2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 2;
  defaults.norm_eps = "norm_epsilon";
  defaults.eps = 1e-5;
  defaults.act = "gelu_pytorch_tanh";
  defaults.tied = true;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = d.mlp_bias = config.BoolOr("use_bias", true);
  ReadWindow(config, 0, &d);
  d.block_plan = Starcoder2Block;
  d.ends_plan = Starcoder2Ends;
  return d;
}

}  // namespace roundlab
