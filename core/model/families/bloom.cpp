#include "core/model/families/bloom.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan BloomBlock(const ModelDescription& d, std::int64_t block, bool residual_of_norm) {
  PlanBuilder b(d, block, "transformer.h." + std::to_string(block) + ".");
  b.plan.residual_of_norm = residual_of_norm;
  b.plan.attention.rotary = RotaryStyle::kNone;
  b.plan.attention.alibi = true;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.FusedAttention("self_attention.query_key_value", "self_attention.dense", FusedLayout::kPerGroup,
                   true, true);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", true);
  return b.Done();
}

EndsPlan BloomEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.embedding = "transformer.word_embeddings";
  ends.embedding_norm = LayerNormPlan(d, "transformer.word_embeddings_layernorm");
  ends.final_norm = LayerNormPlan(d, "transformer.ln_f");
  return ends;
}

}  // namespace

ModelDescription DescribeBloom(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.hidden = config.Has("n_embed") ? "n_embed" : "hidden_size";
  defaults.layers = config.Has("n_layer") ? "n_layer" : "num_hidden_layers";
  defaults.heads = config.Has("n_head") ? "n_head" : "num_attention_heads";
  defaults.positions = "";  // ALiBi has no limit: what the model was trained on, where it is told
  defaults.max_positions = config.IntOr("seq_length", 2048);
  defaults.norm_eps = "layer_norm_epsilon";
  defaults.eps = 1e-5;
  defaults.activation = "";
  defaults.act = "gelu_new";
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = 4 * d.hidden;
  const bool of_norm = config.BoolOr("apply_residual_connection_post_layernorm", false);
  d.block_plan = With(BloomBlock, of_norm);
  d.ends_plan = BloomEnds;
  return d;
}

}  // namespace roundlab
