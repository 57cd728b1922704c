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

ModelDescription DescribeSolarOpen(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = 128;
  defaults.eps = 1e-5;
  defaults.max_positions = 131072;
  defaults.rope.theta = 1e6;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("moe_intermediate_size", 1280);  // there is no dense MLP
  ReadRope(config, &d, defaults.rope);
  d.qkv_bias = config.BoolOr("attention_bias", false);
  RequireFlag(config, "use_qk_norm", false);
  RequireInt(config, "first_k_dense_replace", 0);
  LayMixture(config, ReadGroupedMixture(config, d, {CorrectedExperts(128, 8), 1280, 1, 0}), &d);
  return d;
}

}  // namespace roundlab
