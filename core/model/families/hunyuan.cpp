#include "core/model/families/hunyuan.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan HunyuanBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.plan.attention.norm_after_rotary = true;
  b.LlamaAttention();
  b.Norm(NormPlace::kQuery, "self_attn.query_layernorm", d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.key_layernorm", d.head_dim);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

}  // namespace

ModelDescription DescribeHunyuan(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  defaults.rope.alpha = true;
  ModelDescription d = ReadCommon(config, defaults);
  RequireFlag(config, "use_qk_norm", true);
  RequireFlag(config, "use_cla", false);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.block_plan = HunyuanBlock;
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
