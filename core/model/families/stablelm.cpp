#include "core/model/families/stablelm.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan StableLmBlock(const ModelDescription& d, std::int64_t block, bool parallel) {
  PlanBuilder b(d, block);
  b.plan.parallel = parallel;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, false);
  if (!parallel) b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  if (d.qk_norm) {
    b.Norms(NormKind::kLayer);
    b.Norm(NormPlace::kQuery, "self_attn.q_layernorm", d.head_dim, d.heads);
    b.Norm(NormPlace::kKey, "self_attn.k_layernorm", d.head_dim, d.kv_heads);
  }
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

EndsPlan StableLmEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.final_norm = LayerNormPlan(d, "model.norm");
  return ends;
}

}  // namespace

ModelDescription DescribeStableLm(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 32;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  ReadRope(config, &d, {10000, 0.25, true});
  d.qkv_bias = config.BoolOr("use_qkv_bias", false);
  d.qk_norm = config.BoolOr("qk_layernorm", false);
  const bool parallel = config.BoolOr("use_parallel_residual", false);
  d.block_plan = With(StableLmBlock, parallel);
  d.ends_plan = StableLmEnds;
  return d;
}

}  // namespace roundlab
