#include "core/model/families/glm4_moe.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"

namespace roundlab {

ModelDescription DescribeGlm4Moe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.eps = 1e-5;
  defaults.max_positions = 131072;
  defaults.rope.partial = 0.5;
  defaults.rope.may_be_partial = true;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = config.BoolOr("use_qk_norm", false);
  LayMixture(config, ReadGroupedMixture(config, d, {CorrectedExperts(128, 8), 1408, 1, 1}), &d);
  PassOverNextTokenBlocks(config, &d);
  return d;
}

}  // namespace roundlab
