#include "core/model/families/arcee.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan ArceeBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.up_proj", "mlp.down_proj", d.mlp_bias);
  return b.Done();
}

}  // namespace

ModelDescription DescribeArcee(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  defaults.act = "relu2";
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  d.block_plan = ArceeBlock;
  d.ends_plan = LlamaEnds;  // model.embed_tokens, model.norm, lm_head
  return d;
}

}  // namespace roundlab
