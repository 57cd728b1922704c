#include "core/model/families/glm4_moe.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"

namespace roundlab {

namespace {

ConfigDefaults Glm4MoeDefaults(std::int64_t positions, double partial) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.eps = 1e-5;
  defaults.max_positions = positions;
  defaults.rope.partial = partial;
  defaults.rope.may_be_partial = true;
  return defaults;
}

void LayGlm4Moe(const ConfigReader& config, ModelDescription* d) {
  LayMixture(config, ReadGroupedMixture(config, *d, {CorrectedExperts(128, 8), 1408, 1, 1}), d);
  PassOverNextTokenBlocks(config, d);
}

}  // namespace

ModelDescription DescribeGlm4Moe(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config, Glm4MoeDefaults(131072, 0.5));
  d.qkv_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = config.BoolOr("use_qk_norm", false);
  LayGlm4Moe(config, &d);
  return d;
}

ModelDescription DescribeGlm4vMoeText(const ConfigReader& config) {
  ConfigDefaults defaults = Glm4MoeDefaults(65536, 1);
  defaults.vocab = 151424;
  defaults.rope.sections = true;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = config.BoolOr("attention_bias", true);
  RequireFlag(config, "use_qk_norm", false);
  LayGlm4Moe(config, &d);
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
