#include "core/model/families/qwen.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/layer_kinds.h"

namespace roundlab {
namespace {

void ReadQwenWindows(const ConfigReader& config, std::int64_t absent_first, ModelDescription* d) {
  const bool use = config.BoolOr("use_sliding_window", false);
  const bool absent = !config.Mentions("sliding_window");
  const std::int64_t window = !use ? 0 : (absent ? 4096 : config.IntOr("sliding_window", 0));
  const std::int64_t first = config.AnyIntOr("max_window_layers", absent_first);
  ReadWindows(
      config, window, [&](std::int64_t i) { return window > 0 && i >= first; }, d);
}

}  // namespace

ModelDescription ReadQwen2(const ConfigReader& config, const ConfigDefaults& defaults,
                           std::int64_t first) {
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.qkv_bias = true;
  ReadQwenWindows(config, first, &d);
  return d;
}

ModelDescription DescribeQwen2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 32;
  return ReadQwen2(config, defaults, 28);
}

ModelDescription DescribeQwen3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 32;
  defaults.head_dim = 128;  // whatever hidden / heads is
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  ReadQwenWindows(config, 28, &d);
  return d;
}

}  // namespace roundlab
