#include "core/model/families/ernie4_5_moe.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"

namespace roundlab {
namespace {

/// All but each moe_layer_interval-th from moe_layer_start_index to moe_layer_end_index.
std::set<std::int64_t> Dense(const ConfigReader& config, std::int64_t layers) {
  const std::int64_t step = config.IntOr("moe_layer_interval", 1);
  const std::int64_t first = config.AnyIntOr("moe_layer_start_index", 1);
  const std::int64_t last = config.AnyIntOr("moe_layer_end_index", -1);
  std::set<std::int64_t> dense;
  for (std::int64_t i = 0; i < layers; ++i) {
    const bool inside = i >= first && (last == -1 || i <= last);
    if (!inside || (i + 1) % step != 0) dense.insert(i);
  }
  return dense;
}

ExpertsPlan ReadExperts(const ConfigReader& config) {
  ExpertsPlan experts{"mlp.gate", config.IntOr("moe_num_experts", ExpertCount(config, 64)),
                      config.IntOr("moe_k", config.IntOr("num_experts_per_tok", 6)), true};
  experts.in_float = true;
  experts.correction = "mlp.moe_statics.e_score_correction_bias";
  experts.correction_row = true;
  const char* least = "moe_norm_min";  // of the sum that weights are divided by
  if (HasFactor(config, least) && config.Positive(least) > 1e-6) {
    Refuse(config, least, "1e-6 at most");
  }
  return experts;
}

}  // namespace

ModelDescription DescribeErnieMoe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  defaults.eps = 1e-5;
  defaults.tied = true;
  defaults.rope.theta = 5e5;
  defaults.max_positions = 131072;
  ModelDescription d = ReadCommon(config, defaults);
  const bool bias = config.BoolOr("use_bias", false);
  d.qkv_bias = d.output_bias = d.mlp_bias = bias;
  d.naming.other_parts.push_back("model.mtp_");
  Mixture mixture{ReadExperts(config), GateUpDown("mlp.experts.#."),
                  config.IntOr("moe_intermediate_size", 1536), Dense(config, d.layers)};
  const std::int64_t shared = config.AnyIntOr("moe_num_shared_experts", 2);
  mixture.experts.shared = shared > 0;
  mixture.shared = GateUpDown("mlp.shared_experts.");
  mixture.shared_inner = mixture.inner * shared;
  LayMixture(config, mixture, &d);
  d.block_plan = [halves = d.block_plan](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = halves(m, i);
    plan.attention.rotary = RotaryStyle::kPair;
    return plan;
  };
  d.ends_plan = [ends = d.ends_plan, bias](const ModelDescription& m) {
    EndsPlan plan = ends(m);
    plan.head_bias = bias;
    return plan;
  };
  return d;
}

}  // namespace roundlab
