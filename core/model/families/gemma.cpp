#include "core/model/families/gemma.h"

#include <cmath>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan GemmaBlock(const ModelDescription& d, std::int64_t block, const GemmaTraits& traits) {
  PlanBuilder b(d, block);
  AttentionPlan& attention = b.plan.attention;
  if (traits.query_scale > 0) attention.scale = 1 / std::sqrt(traits.query_scale);
  attention.soft_cap = traits.soft_cap;
  if (traits.local_rope && attention.window > 0) attention.rope = 1;
  b.Norms(NormKind::kRms, 1);
  b.LlamaAttention();
  if (traits.sandwich) {
    b.Norm(NormPlace::kOnAttention, "post_attention_layernorm");
    b.Norm(NormPlace::kBeforeMlp, "pre_feedforward_layernorm");
    b.Norm(NormPlace::kOnMlp, "post_feedforward_layernorm");
  } else {
    b.Norm(NormPlace::kBeforeMlp, traits.mlp_norm);
  }
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, d.mlp_bias);
  return b.Done();
}

}  // namespace

std::function<EndsPlan(const ModelDescription&)> GemmaEnds(double norm_offset,
                                                           double logit_soft_cap) {
  return [=](const ModelDescription& m) {
    EndsPlan ends = LlamaEnds(m);
    ends.final_norm->offset = norm_offset;
    ends.embedding_scale = std::sqrt(static_cast<double>(m.hidden));
    ends.logit_soft_cap = logit_soft_cap;
    return ends;
  };
}

void LayGemma(const GemmaTraits& traits, double logit_soft_cap, ModelDescription* d) {
  d->block_plan = With(GemmaBlock, traits);
  d->ends_plan = GemmaEnds(1, logit_soft_cap);
}

ConfigDefaults GemmaDefaults(const char* activation, std::int64_t kv_heads) {
  ConfigDefaults defaults;
  defaults.activation = activation;
  defaults.act = "gelu_pytorch_tanh";
  defaults.kv_heads = kv_heads;
  defaults.head_dim = 256;
  defaults.tied = true;
  return defaults;
}

double GemmaSoftCap(const ConfigReader& config, const char* key, double absent) {
  return config.Mentions(key) ? config.PositiveOr(key, 0) : absent;
}

ModelDescription DescribeGemma(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config, GemmaDefaults("hidden_act", 16));
  // Official releases have "gelu" and mean its tanh form.
  if (d.activation == Activation::kGelu) d.activation = Activation::kGeluTanh;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  LayGemma({}, 0, &d);
  return d;
}

namespace {

ModelDescription ReadGemma2(const ConfigReader& config, GemmaTraits traits) {
  ModelDescription d = ReadCommon(config, GemmaDefaults("hidden_activation", 4));
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  ReadPattern(config, 4096, 2, &d);
  traits.query_scale = config.PositiveOr("query_pre_attn_scalar", 256);
  traits.soft_cap = GemmaSoftCap(config, "attn_logit_softcapping", 50);
  LayGemma(traits, GemmaSoftCap(config, "final_logit_softcapping", 30), &d);
  return d;
}

}  // namespace

ModelDescription DescribeGemma2(const ConfigReader& config) {
  GemmaTraits traits;
  traits.sandwich = true;
  return ReadGemma2(config, traits);
}

ModelDescription DescribeVaultGemma(const ConfigReader& config) {
  GemmaTraits traits;
  traits.mlp_norm = "pre_feedforward_layernorm";
  return ReadGemma2(config, traits);
}

}  // namespace roundlab
