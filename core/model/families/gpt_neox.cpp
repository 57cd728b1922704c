#include "core/model/families/gpt_neox.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan NeoXBlock(const ModelDescription& d, std::int64_t block, bool parallel) {
  PlanBuilder b(d, block, "gpt_neox.layers." + std::to_string(block) + ".");
  b.plan.parallel = parallel;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.FusedAttention("attention.query_key_value", "attention.dense", FusedLayout::kPerGroup,
                   d.qkv_bias, d.output_bias);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", true);
  return b.Done();
}

EndsPlan NeoXEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.embedding = "gpt_neox.embed_in";
  ends.final_norm = LayerNormPlan(d, "gpt_neox.final_layer_norm");
  ends.head = "embed_out";
  return ends;
}

}  // namespace

ModelDescription DescribeGptNeoX(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.act = "gelu";
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", true);
  RopeDefaults rope{config.PositiveOr("rotary_emb_base", 10000),
                    config.PositiveOr("rotary_pct", 0.25), true};
  rope.keys_of_its_own = true;
  ReadRope(config, &d, rope);
  const bool parallel = config.BoolOr("use_parallel_residual", true);
  d.block_plan = With(NeoXBlock, parallel);
  d.ends_plan = NeoXEnds;
  d.naming.prefixes = {{"lm_head.", "embed_out."}};  // as transformers 5 has it inside
  return d;
}

}  // namespace roundlab
