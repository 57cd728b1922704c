#include "core/model/families/qwen3_moe.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"

namespace roundlab {

ModelDescription DescribeQwen3Moe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  if (config.BoolOr("use_sliding_window", false)) ReadWindow(config, 4096, &d);
  LayMixture(config,
             {{"mlp.gate", ExpertCount(config, 128), config.IntOr("num_experts_per_tok", 8),
               config.BoolOr("norm_topk_prob", false)},
              GateUpDown("mlp.experts.#."),
              config.IntOr("moe_intermediate_size", 768),
              DenseBlocks(config, d.layers)},
             &d);
  return d;
}

}  // namespace roundlab
