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

BlockPlan JapaneseBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block, "gpt_neox_japanese.layers." + std::to_string(block) + ".");
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.FusedAttention("attention.query_key_value", "attention.dense", FusedLayout::kPerGroup, false,
                   block == d.layers - 1);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", false);
  return b.Done();
}

EndsPlan NeoXEnds(const ModelDescription& d, const std::string& body) {
  EndsPlan ends;
  ends.embedding = body + ".embed_in";
  ends.final_norm = LayerNormPlan(d, body + ".final_layer_norm");
  ends.head = "embed_out";
  return ends;
}

/// All but the MLP's width and biases; `part` of a head turns where config.json is silent.
ModelDescription ReadNeoX(const ConfigReader& config, bool tied, double part) {
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.act = "gelu";
  defaults.tied = tied;
  ModelDescription d = ReadSizes(config, defaults);
  RopeDefaults rope{config.PositiveOr("rotary_emb_base", 10000),
                    config.PositiveOr("rotary_pct", part), true};
  rope.keys_of_its_own = true;
  ReadRope(config, &d, rope);
  return d;
}

}  // namespace

ModelDescription DescribeGptNeoX(const ConfigReader& config) {
  ModelDescription d = ReadNeoX(config, false, 0.25);
  d.intermediate = config.Int("intermediate_size");
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", true);
  const bool parallel = config.BoolOr("use_parallel_residual", true);
  d.block_plan = With(NeoXBlock, parallel);
  d.ends_plan = [](const ModelDescription& m) { return NeoXEnds(m, "gpt_neox"); };
  d.naming.prefixes = {{"lm_head.", "embed_out."}};  // as transformers 5 has it inside
  return d;
}

ModelDescription DescribeGptNeoXJapanese(const ConfigReader& config) {
  ModelDescription d = ReadNeoX(config, true, 1);
  d.intermediate = d.hidden * config.IntOr("intermediate_multiple_size", 4);
  d.block_plan = JapaneseBlock;
  const std::string body = "gpt_neox_japanese";
  d.ends_plan = [body](const ModelDescription& m) { return NeoXEnds(m, body); };
  const std::string last = body + ".layers." + std::to_string(d.layers - 1) + ".attention.dense";
  d.naming.prefixes = {{last + "_bias", last + ".bias"}, {"lm_head.", "embed_out."}};
  return d;
}

}  // namespace roundlab
