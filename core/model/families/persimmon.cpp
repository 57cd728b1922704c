#include "core/model/families/persimmon.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan PersimmonBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.FusedAttention("self_attn.query_key_value", "self_attn.dense", FusedLayout::kPerGroup, true,
                   true);
  if (d.qk_norm) {
    b.Norm(NormPlace::kQuery, "self_attn.q_layernorm", d.head_dim);
    b.Norm(NormPlace::kKey, "self_attn.k_layernorm", d.head_dim);
  }
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", true);
  return b.Done();
}

EndsPlan PersimmonEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.final_norm = LayerNormPlan(d, "model.final_layernorm");
  return ends;
}

}  // namespace

ModelDescription DescribePersimmon(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.act = "relu2";
  defaults.rope.partial = 0.5;
  defaults.rope.may_be_partial = true;
  ModelDescription d = ReadCommon(config, defaults);
  d.kv_heads = d.heads;
  d.qk_norm = config.BoolOr("qk_layernorm", true);
  d.block_plan = PersimmonBlock;
  d.ends_plan = PersimmonEnds;
  return d;
}

}  // namespace roundlab
