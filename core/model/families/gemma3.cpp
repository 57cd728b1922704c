#include "core/model/families/gemma3.h"

#include "core/model/common_config.h"
#include "core/model/families/gemma.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

ModelDescription DescribeGemma3(const ConfigReader& config) {
  ConfigDefaults defaults = GemmaDefaults("hidden_activation", 4);
  defaults.head_count = 8;
  defaults.vocab = 262208;
  defaults.max_positions = 131072;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = true;
  ReadTwoRopes(config, 1e6, config.PositiveOr("rope_local_base_freq", 10000), &d);
  ReadPattern(config, 4096, PatternOr(config, 6), &d);
  GemmaTraits traits;
  traits.sandwich = true;
  traits.query_scale = config.PositiveOr("query_pre_attn_scalar", 256);
  traits.local_rope = true;
  LayGemma(traits, GemmaSoftCap(config, "final_logit_softcapping", 0), &d);
  return d;
}

}  // namespace roundlab
