#include "core/model/families/opt.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan OptBlock(const ModelDescription& d, std::int64_t block, bool before) {
  PlanBuilder b(d, block, "model.decoder.layers." + std::to_string(block) + ".");
  b.plan.attention.rotary = RotaryStyle::kNone;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(before ? NormPlace::kBeforeAttention : NormPlace::kAfterAttention, "self_attn_layer_norm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"},
              d.qkv_bias, d.output_bias);
  b.Norm(before ? NormPlace::kBeforeMlp : NormPlace::kAfterMlp, "final_layer_norm");
  b.PlainMlp("fc1", "fc2", d.mlp_bias);
  return b.Done();
}

EndsPlan OptEnds(const ModelDescription& d, std::int64_t width, bool final_norm) {
  EndsPlan ends;
  ends.embedding = "model.decoder.embed_tokens";
  ends.embedding_width = width;
  ends.positions = "model.decoder.embed_positions";
  ends.position_offset = 2;
  ends.position_rows = d.max_positions + ends.position_offset;
  if (width != d.hidden) {
    ends.project_in = "model.decoder.project_in";
    ends.project_out = "model.decoder.project_out";
  }
  if (final_norm) ends.final_norm = LayerNormPlan(d, "model.decoder.final_layer_norm");
  return ends;
}

}  // namespace

ModelDescription DescribeOpt(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.activation = "activation_function";
  defaults.act = "relu";
  defaults.norm_eps = "";  // no key: not in the configuration
  defaults.eps = 1e-5;
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("ffn_dim");
  d.qkv_bias = d.output_bias = d.mlp_bias = config.BoolOr("enable_bias", true);
  if (!config.BoolOr("layer_norm_elementwise_affine", true)) {
    config.Fail("layer_norm_elementwise_affine: false is not supported");
  }
  const bool before = config.BoolOr("do_layer_norm_before", true);
  const bool final_norm = before && !config.BoolOr("_remove_final_layer_norm", false);
  const std::int64_t width = config.IntOr("word_embed_proj_dim", d.hidden);
  d.block_plan = With(OptBlock, before);
  d.ends_plan = [=](const ModelDescription& m) { return OptEnds(m, width, final_norm); };
  return d;
}

}  // namespace roundlab
