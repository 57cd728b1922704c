#include "core/model/families/ministral3.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

ModelDescription DescribeMinistral3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.eps = 1e-5;
  defaults.max_positions = 262144;
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  ReadWindow(config, 0, &d);
  const bool silent = !config.Has("rope_parameters") && !config.Has("rope_scaling");
  if (silent) {
    d.rope.type = RopeType::kYarn;
    d.rope.theta = 1e6;
    d.rope.factor = 16;
    d.rope.original_positions = 16384;
  }
  const ConfigReader rope = RopeKeys(config);
  if (!silent && !HasFactor(rope, "llama_4_scaling_beta")) return d;
  d.temper = TemperDescription{rope.PositiveOr("llama_4_scaling_beta", 0.1),
                               rope.PositiveOr("original_max_position_embeddings", 16384)};
  d.block_plan = [](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = LlamaBlock(m, i);
    plan.attention.tempered = true;
    return plan;
  };
  return d;
}

}  // namespace roundlab
