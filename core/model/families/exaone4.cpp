#include "core/model/families/exaone4.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/olmo2.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

ModelDescription DescribeExaone4(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 32;
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  const bool slides = !config.Mentions("sliding_window") || config.Has("sliding_window");
  if (slides) ReadPattern(config, 4096, PatternOr(config, 4), &d);
  d.block_plan = [slides](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = Olmo2Block(m, i);
    if (slides && plan.attention.window == 0) plan.attention.rotary = RotaryStyle::kNone;
    return plan;
  };
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
