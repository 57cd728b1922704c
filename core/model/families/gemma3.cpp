#include "core/model/families/gemma3.h"

#include "core/model/common_config.h"
#include "core/model/families/gemma.h"

namespace roundlab {
namespace {

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

}  // namespace

ModelDescription DescribeGemma3(const ConfigReader& config) {
  ModelDescription d = ReadSizes(config, GemmaDefaults("hidden_activation", 4));
  d.intermediate = config.Int("intermediate_size");
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
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
  LayGemma(traits, GemmaSoftCap(config, "final_logit_softcapping", 0), &d);
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
