#include "core/model/families/smollm3.h"

#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/layer_kinds.h"

namespace roundlab {
namespace {

/// A layer: whether it has rotary positions.
std::vector<std::int64_t> RotaryLayers(const ConfigReader& config, std::int64_t layers) {
  std::vector<std::int64_t> rotary = config.Integers("no_rope_layers");  // 1 where there is rope
  const std::int64_t interval = config.IntOr("no_rope_layer_interval", 4);
  for (std::int64_t i = 0; i < layers && !config.Has("no_rope_layers"); ++i) {
    rotary.push_back((i + 1) % interval != 0 ? 1 : 0);
  }
  if (static_cast<std::int64_t>(rotary.size()) != layers) {
    config.Fail("no_rope_layers: expected " + std::to_string(layers) + " entries, got " +
                std::to_string(rotary.size()));
  }
  return rotary;
}

}  // namespace

ModelDescription DescribeSmolLm3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  defaults.tied = true;
  defaults.rope.theta = 2e6;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  const std::vector<std::int64_t> rotary = RotaryLayers(config, d.layers);
  // transformers' mask follows layer_types whatever use_sliding_window says.
  if (config.BoolOr("use_sliding_window", false) || config.Has("layer_types")) {
    ReadWindows(
        config, config.IntOr("sliding_window", 0),
        [&](std::int64_t i) { return rotary[static_cast<std::size_t>(i)] == 0; }, &d);
  }
  d.block_plan = [rotary](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = LlamaBlock(m, i);
    const bool turns = rotary.at(static_cast<std::size_t>(i)) != 0;
    if (!turns) plan.attention.rotary = RotaryStyle::kNone;
    return plan;
  };
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
