#include "core/model/families/qwen2_moe.h"

#include <algorithm>

#include "core/model/common_config.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

Mixture ReadQwenExperts(const ConfigReader& config, const QwenExperts& absent) {
  Mixture mixture{{"mlp.gate", ExpertCount(config, absent.count),
                   config.IntOr("num_experts_per_tok", absent.used)},
                  GateUpDown("mlp.experts.#."),
                  config.IntOr("moe_intermediate_size", absent.inner),
                  {}};
  mixture.experts.shared = true;
  mixture.experts.shared_gate = "mlp.shared_expert_gate";
  mixture.shared = GateUpDown("mlp.shared_expert.");
  mixture.shared_inner = config.IntOr("shared_expert_intermediate_size", absent.shared);
  CheckExperts(config, mixture.experts);
  return mixture;
}

ModelDescription DescribeQwen2Moe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 16;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = config.BoolOr("qkv_bias", true);
  const bool use = config.BoolOr("use_sliding_window", false);
  if (use) ReadWindow(config, 4096, &d);
  const std::int64_t first = config.AnyIntOr("max_window_layers", 28);
  ReadWindows(
      config, d.windows.front(), [&](std::int64_t i) { return i % 2 == 0 && i < first; }, &d);
  if (!use && config.Has("layer_types")) {  // transformers slides with a window of 0 then
    const auto& types = config.root().at("layer_types");
    if (std::find(types.begin(), types.end(), "sliding_attention") != types.end()) {
      config.Fail("layer_types: sliding_attention contradicts use_sliding_window false");
    }
  }
  Mixture mixture = ReadQwenExperts(config, {});
  mixture.experts.normalize = config.BoolOr("norm_topk_prob", false);
  mixture.dense = DenseBlocks(config, d.layers);
  LayMixture(config, mixture, &d);
  return d;
}

}  // namespace roundlab
