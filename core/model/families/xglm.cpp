#include "core/model/families/xglm.h"

#include <cmath>

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {

BlockPlan XglmBlock(const ModelDescription& d, std::int64_t block, const std::string& body) {
  PlanBuilder b(d, block, body + ".layers." + std::to_string(block) + ".");
  b.plan.attention.rotary = RotaryStyle::kNone;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "self_attn_layer_norm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"},
              true, true);
  b.Norm(NormPlace::kBeforeMlp, "final_layer_norm");
  b.PlainMlp("fc1", "fc2", true);
  return b.Done();
}

namespace {

EndsPlan XglmEnds(const ModelDescription& d, bool scaled) {
  EndsPlan ends;
  if (scaled) ends.embedding_scale = std::sqrt(static_cast<double>(d.hidden));
  ends.sinusoidal = true;
  ends.position_offset = 2;
  ends.position_rows = d.max_positions + ends.position_offset;
  ends.final_norm = LayerNormPlan(d, "model.layer_norm");
  return ends;
}

}  // namespace

ModelDescription DescribeXglm(const ConfigReader& config) {
  ConfigDefaults defaults;
  if (config.Has("d_model")) defaults.hidden = "d_model";
  if (config.Has("num_layers")) defaults.layers = "num_layers";
  if (config.Has("attention_heads")) defaults.heads = "attention_heads";
  defaults.max_positions = 2048;
  defaults.norm_eps = "";  // no key: not in the configuration
  defaults.eps = 1e-5;
  defaults.activation = "activation_function";
  defaults.act = "gelu";
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("ffn_dim");
  RequireFlag(config, "add_cross_attention", false);
  if (config.AnyIntOr("pad_token_id", 1) >= 2) {  // its place among positions would be zero
    Refuse(config, "pad_token_id", "0, 1, null");
  }
  const bool scaled = config.BoolOr("scale_embedding", true);
  d.block_plan = With(XglmBlock, std::string("model"));
  d.ends_plan = [scaled](const ModelDescription& m) { return XglmEnds(m, scaled); };
  return d;
}

}  // namespace roundlab
