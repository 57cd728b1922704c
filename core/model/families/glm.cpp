#include "core/model/families/glm.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan GlmBlock(const ModelDescription& d, std::int64_t block, bool sandwich) {
  PlanBuilder b(d, block);
  b.plan.attention.rotary = RotaryStyle::kPair;
  b.LlamaAttention();
  if (sandwich) b.Norm(NormPlace::kOnAttention, "post_self_attn_layernorm");
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_up_proj", "mlp.down_proj"}, false);
  if (sandwich) b.Norm(NormPlace::kOnMlp, "post_mlp_layernorm");
  return b.Done();
}

ConfigDefaults GlmDefaults(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 2;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.eps = 1.5625e-7;
  defaults.rope.partial = 0.5;
  defaults.rope.may_be_partial = true;
  return defaults;
}

ModelDescription ReadGlm(const ConfigReader& config, const ConfigDefaults& defaults,
                         bool sandwich) {
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = config.BoolOr("attention_bias", true);
  d.block_plan = With(GlmBlock, sandwich);
  d.ends_plan = LlamaEnds;
  return d;
}

ConfigDefaults Glm4vDefaults(const ConfigReader& config) {
  ConfigDefaults defaults = GlmDefaults(config);
  defaults.head_dim = 0;
  defaults.eps = 1e-5;
  defaults.rope.partial = 1;
  defaults.vocab = 151552;
  defaults.max_positions = 32768;
  defaults.rope.sections = true;
  return defaults;
}

}  // namespace

ModelDescription DescribeGlm(const ConfigReader& config) {
  return ReadGlm(config, GlmDefaults(config), false);
}

ModelDescription DescribeGlm4(const ConfigReader& config) {
  return ReadGlm(config, GlmDefaults(config), true);
}

ModelDescription DescribeGlm4vText(const ConfigReader& config) {
  return ReadGlm(config, Glm4vDefaults(config), true);
}

ModelDescription DescribeGlmOcrText(const ConfigReader& config) {
  ConfigDefaults defaults = Glm4vDefaults(config);
  defaults.kv_heads = 8;
  defaults.vocab = 59392;
  defaults.max_positions = 131072;
  ModelDescription d = ReadGlm(config, defaults, true);
  d.qkv_bias = false;
  PassOverNextTokenBlocks(config.Over({{"num_nextn_predict_layers", 1}}), &d);
  return d;
}

}  // namespace roundlab
