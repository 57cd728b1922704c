#include "core/model/families/exaone_moe.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

ModelDescription DescribeExaoneMoe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 32;
  defaults.eps = 1e-5;
  defaults.max_positions = 2048;
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.naming.other_parts.push_back("mtp.");
  const bool slides = !config.Mentions("sliding_window") || config.Has("sliding_window");
  if (slides) ReadPattern(config, 4096, PatternOr(config, 4), &d);
  ExpertsPlan experts = CorrectedExperts(ExpertCount(config, 64), 8);
  experts.correction = "mlp.e_score_correction_bias";
  experts.factor = 2.5;
  const std::int64_t shared = config.IntOr("num_shared_experts", 1);
  Mixture mixture = ReadGroupedMixture(config, d, {experts, 1024, shared, 1});
  ReadMlpTypes(config, d, &mixture);
  LayMixture(config, mixture, &d);
  d.block_plan = [turned = d.block_plan, slides](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = turned(m, i);
    if (slides && plan.attention.window == 0) plan.attention.rotary = RotaryStyle::kNone;
    return plan;
  };
  return d;
}

}  // namespace roundlab
