#include "core/model/families/hy_v3.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"

namespace roundlab {

ModelDescription DescribeHyV3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.vocab = 120832;
  defaults.max_positions = 131072;
  defaults.eps = 1e-5;
  defaults.rope.theta = 11158840;
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  ExpertsPlan experts = CorrectedExperts(ExpertCount(config, 192), 8);
  experts.factor = config.PositiveOr("router_scaling_factor", 2.826);
  const std::int64_t shared = config.IntOr("num_shared_experts", 1);
  Mixture mixture = ReadGroupedMixture(config, d, {experts, 1536, shared, 1, false});
  mixture.experts.router = "mlp.router.gate";
  mixture.experts.correction = "mlp.expert_bias";
  mixture.shared = GateUpDown("mlp.shared_mlp.");
  ReadMlpTypes(config, d, &mixture);
  LayMixture(config, mixture, &d);
  d.naming.other_parts = {LayerPrefix(d.layers)};
  return d;
}

}  // namespace roundlab
