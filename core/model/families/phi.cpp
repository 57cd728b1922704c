#include "core/model/families/phi.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan PhiBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.plan.parallel = true;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.dense"}, true,
              true);
  if (d.qk_norm) {
    b.Norm(NormPlace::kQuery, "self_attn.q_layernorm", d.head_dim);
    b.Norm(NormPlace::kKey, "self_attn.k_layernorm", d.head_dim);
  }
  b.PlainMlp("mlp.fc1", "mlp.fc2", true);
  return b.Done();
}

EndsPlan PhiEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.final_norm = LayerNormPlan(d, "model.final_layernorm");
  ends.head_bias = true;
  return ends;
}

}  // namespace

ModelDescription DescribePhi(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.act = "gelu_new";
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  ReadRope(config, &d, {10000, 0.5, true});
  d.qk_norm = config.BoolOr("qk_layernorm", false);
  d.block_plan = PhiBlock;
  d.ends_plan = PhiEnds;
  return d;
}

}  // namespace roundlab
