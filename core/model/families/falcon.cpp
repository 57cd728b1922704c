#include "core/model/families/falcon.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct FalconTraits {
  bool parallel;
  bool two_norms;  // in parallel: ln_attn and ln_mlp
};

BlockPlan FalconBlock(const ModelDescription& d, std::int64_t block, const FalconTraits& traits) {
  PlanBuilder b(d, block, "transformer.h." + std::to_string(block) + ".");
  b.plan.parallel = traits.parallel;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, traits.two_norms ? "ln_attn" : "input_layernorm");
  b.FusedAttention("self_attention.query_key_value", "self_attention.dense", FusedLayout::kPerGroup,
                   d.qkv_bias, d.output_bias);
  if (traits.two_norms) b.Norm(NormPlace::kBeforeMlp, "ln_mlp");
  if (!traits.parallel) b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", d.mlp_bias);
  return b.Done();
}

EndsPlan FalconEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.embedding = "transformer.word_embeddings";
  ends.final_norm = LayerNormPlan(d, "transformer.ln_f");
  return ends;
}

void CheckSupported(const ConfigReader& config, bool newer) {
  if (config.BoolOr("alibi", false)) {
    config.Fail(
        "alibi: true is not supported: transformers' paths of attention disagree there (the plain "
        "one adds the bias twice), so that there is no reference");
  }
  if (newer && !config.BoolOr("parallel_attn", true)) {
    config.Fail("parallel_attn: false is not supported with new_decoder_architecture");
  }
}

}  // namespace

ModelDescription DescribeFalcon(const ConfigReader& config) {
  ConfigDefaults defaults;
  if (config.Has("n_embed")) defaults.hidden = "n_embed";
  defaults.max_positions = 2048;
  defaults.norm_eps = "layer_norm_epsilon";
  defaults.eps = 1e-5;
  defaults.activation = "activation";
  defaults.act = "gelu";
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  const bool newer = config.BoolOr("new_decoder_architecture", false);
  CheckSupported(config, newer);
  if (newer) {
    d.kv_heads = config.IntOr("num_kv_heads", d.heads);
  } else {
    d.kv_heads = config.BoolOr("multi_query", true) ? 1 : d.heads;
  }
  if (d.heads % d.kv_heads != 0) {
    config.Fail("num_kv_heads " + std::to_string(d.kv_heads) +
                " does not divide num_attention_heads " + std::to_string(d.heads));
  }
  d.intermediate = config.IntOr("ffn_hidden_size", 4 * d.hidden);
  d.qkv_bias = d.output_bias = d.mlp_bias = config.BoolOr("bias", false);
  ReadRope(config, &d);
  const FalconTraits traits = {config.BoolOr("parallel_attn", true),
                               newer && config.IntOr("num_ln_in_parallel_attn", 2) == 2};
  d.block_plan = With(FalconBlock, traits);
  d.ends_plan = FalconEnds;
  return d;
}

}  // namespace roundlab
