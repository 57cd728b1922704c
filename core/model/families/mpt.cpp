#include "core/model/families/mpt.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct MptAttention {
  double scale;  // 0: by head_dim
  double clip;
};

BlockPlan MptBlock(const ModelDescription& d, std::int64_t block, const MptAttention& attention) {
  PlanBuilder b(d, block, "transformer.blocks." + std::to_string(block) + ".");
  b.plan.attention.rotary = RotaryStyle::kNone;
  b.plan.attention.alibi = true;
  b.plan.attention.clip = attention.clip;
  if (attention.scale > 0) b.plan.attention.scale = attention.scale;
  b.Norms(NormKind::kLayer);
  b.Norm(NormPlace::kBeforeAttention, "norm_1");
  b.FusedAttention("attn.Wqkv", "attn.out_proj", FusedLayout::kBlocks, false, false);
  b.Norm(NormPlace::kBeforeMlp, "norm_2");
  b.PlainMlp("ffn.up_proj", "ffn.down_proj", false);
  return b.Done();
}

EndsPlan MptEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.embedding = "transformer.wte";
  ends.final_norm = LayerNormPlan(d, "transformer.norm_f", false);
  return ends;
}

MptAttention ReadAttention(const ConfigReader& config) {
  const ConfigReader inner =
      config.Has("attn_config") ? config.Inside("attn_config") : config.Without();
  RequireFlag(inner, "alibi", true);
  RequireFlag(inner, "qk_ln", false);
  RequireFlag(inner, "prefix_lm", false);
  RequireFlag(inner, "rope", false);
  RequireInt(inner, "alibi_bias_max", 8);
  if (inner.TextOr("attn_type", "multihead_attention") != "multihead_attention") {
    inner.Fail("attn_type: " + inner.TextOr("attn_type", "") +
               " is not supported (allowed: multihead_attention)");
  }
  return {inner.PositiveOr("softmax_scale", 0), inner.PositiveOr("clip_qkv", 0)};
}

}  // namespace

ModelDescription DescribeMpt(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.hidden = "d_model";
  defaults.layers = "n_layers";
  defaults.heads = "n_heads";
  defaults.positions = "max_seq_len";
  defaults.max_positions = 2048;
  defaults.norm_eps = "layer_norm_epsilon";
  defaults.eps = 1e-5;
  defaults.activation = "";
  defaults.act = "gelu";
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  RequireFlag(config, "no_bias", true);
  RequireNull(config, "logit_scale");
  RequireInt(config, "expansion_ratio", 4);
  d.intermediate = 4 * d.hidden;
  d.block_plan = With(MptBlock, ReadAttention(config));
  d.ends_plan = MptEnds;
  return d;
}

}  // namespace roundlab
