#include "core/model/families/gemma.h"

#include <cmath>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct GemmaTraits {
  bool sandwich = false;   // norms on both branches too
  double query_scale = 0;  // query_pre_attn_scalar; 0: head_dim
  double soft_cap = 0;
  bool local_rope = false;  // of layers that slide
};

BlockPlan GemmaBlock(const ModelDescription& d, std::int64_t block, const GemmaTraits& traits) {
  PlanBuilder b(d, block, "model.layers." + std::to_string(block) + ".");
  AttentionPlan& attention = b.plan.attention;
  if (traits.query_scale > 0) attention.scale = 1 / std::sqrt(traits.query_scale);
  attention.soft_cap = traits.soft_cap;
  if (traits.local_rope && attention.window > 0) attention.rope = 1;
  b.Norms(NormKind::kRms, 1);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  if (d.qk_norm) {
    b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim);
    b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim);
  }
  if (traits.sandwich) {
    b.Norm(NormPlace::kOnAttention, "post_attention_layernorm");
    b.Norm(NormPlace::kBeforeMlp, "pre_feedforward_layernorm");
    b.Norm(NormPlace::kOnMlp, "post_feedforward_layernorm");
  } else {
    b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  }
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, d.mlp_bias);
  return b.Done();
}

void LayGemma(const GemmaTraits& traits, double logit_soft_cap, ModelDescription* d) {
  d->block_plan = [traits](const ModelDescription& m, std::int64_t i) {
    return GemmaBlock(m, i, traits);
  };
  d->ends_plan = [logit_soft_cap](const ModelDescription& m) {
    EndsPlan ends = LlamaEnds(m);
    ends.final_norm->offset = 1;
    ends.embedding_scale = std::sqrt(static_cast<double>(m.hidden));
    ends.logit_soft_cap = logit_soft_cap;
    return ends;
  };
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

/// Absent: what the class has; null: none.
double SoftCap(const ConfigReader& config, const char* key, double absent) {
  return config.Mentions(key) ? config.PositiveOr(key, 0) : absent;
}

/// Two sets of rope parameters, or rope_theta with rope_scaling and rope_local_base_freq.
void ReadTwoRopes(const ConfigReader& config, ModelDescription* d) {
  const ConfigReader both =
      config.Has("rope_parameters") ? config.Inside("rope_parameters") : config.Without();
  for (const auto& [key, value] : both.root().items()) {
    if (key == "full_attention" || key == "sliding_attention") continue;
    both.Fail("unknown key '" + key + "' (known: full_attention, sliding_attention)");
  }
  const auto inside = [&](const char* kind) {
    return both.Has(kind) ? both.Inside(kind) : config.Without();
  };
  const ConfigReader full =
      config.Has("rope_scaling") ? config.Inside("rope_scaling") : inside("full_attention");
  const double theta = config.PositiveOr("rope_theta", 1e6);
  // rope_scaling is added to what full_attention has.
  const double kept = inside("full_attention").PositiveOr("rope_theta", theta);
  d->rotary_dim = d->head_dim;
  d->rope = ReadRopeParameters(config, full, {kept}, d->rotary_dim);
  d->local_rope =
      ReadRopeParameters(config, inside("sliding_attention"),
                         {config.PositiveOr("rope_local_base_freq", 10000)}, d->rotary_dim);
}

void ReadBiases(const ConfigReader& config, ModelDescription* d) {
  d->qkv_bias = d->output_bias = config.BoolOr("attention_bias", false);
}

}  // namespace

ModelDescription DescribeGemma(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config, GemmaDefaults("hidden_act", 16));
  // Official releases have "gelu" and mean its tanh form.
  if (d.activation == Activation::kGelu) d.activation = Activation::kGeluTanh;
  ReadBiases(config, &d);
  LayGemma({}, 0, &d);
  return d;
}

ModelDescription DescribeGemma2(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config, GemmaDefaults("hidden_activation", 4));
  ReadBiases(config, &d);
  ReadWindow(config, 4096, &d);
  const std::int64_t window = d.windows.front();
  ReadWindows(
      config, window, [](std::int64_t i) { return i % 2 == 0; }, &d);
  GemmaTraits traits;
  traits.sandwich = true;
  traits.query_scale = config.PositiveOr("query_pre_attn_scalar", 256);
  traits.soft_cap = SoftCap(config, "attn_logit_softcapping", 50);
  LayGemma(traits, SoftCap(config, "final_logit_softcapping", 30), &d);
  return d;
}

ModelDescription DescribeGemma3(const ConfigReader& config) {
  ModelDescription d = ReadSizes(config, GemmaDefaults("hidden_activation", 4));
  d.intermediate = config.Int("intermediate_size");
  ReadBiases(config, &d);
  d.qk_norm = true;
  ReadTwoRopes(config, &d);
  ReadWindow(config, 4096, &d);
  const std::int64_t window = d.windows.front();
  const std::int64_t pattern = config.IntOr("sliding_window_pattern", 6);
  ReadWindows(
      config, window, [&](std::int64_t i) { return (i + 1) % pattern != 0; }, &d);
  GemmaTraits traits;
  traits.sandwich = true;
  traits.query_scale = config.PositiveOr("query_pre_attn_scalar", 256);
  traits.local_rope = true;
  LayGemma(traits, SoftCap(config, "final_logit_softcapping", 0), &d);
  return d;
}

ModelDescription DescribeGemma3Multimodal(const ConfigReader& config) {
  ModelDescription d = DescribeGemma3(config.Inside("text_config"));
  d.tied_head = config.BoolOr("tie_word_embeddings", true);
  d.naming.prefixes = {{"language_model.model.", "model."},
                       {"model.language_model.", "model."},
                       {"language_model.lm_head.", "lm_head."}};
  for (const char* part : {"vision_tower.", "multi_modal_projector."}) {
    d.naming.other_parts.push_back(part);
    d.naming.other_parts.push_back(std::string("model.") + part);
  }
  return d;
}

}  // namespace roundlab
