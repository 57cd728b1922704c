#include "core/model/families/qwen3_moe.h"

#include <set>

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"

namespace roundlab {
namespace {

/// Blocks that mlp_only_layers names, or that decoder_sparse_step leaves out.
std::set<std::int64_t> DenseBlocks(const ConfigReader& config, std::int64_t layers) {
  std::set<std::int64_t> dense;
  const std::int64_t step = config.IntOr("decoder_sparse_step", 1);
  for (std::int64_t i = 0; i < layers; ++i) {
    if ((i + 1) % step != 0) dense.insert(i);
  }
  for (const std::int64_t i : config.Integers("mlp_only_layers")) dense.insert(i);
  return dense;
}

}  // namespace

ModelDescription DescribeQwen3Moe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  if (config.BoolOr("use_sliding_window", false)) ReadWindow(config, 4096, &d);
  const std::string expert = "mlp.experts.#.";
  LayMixture(config,
             {{"mlp.gate", ExpertCount(config, 128), config.IntOr("num_experts_per_tok", 8),
               config.BoolOr("norm_topk_prob", false)},
              {expert + "gate_proj", expert + "up_proj", expert + "down_proj"},
              config.IntOr("moe_intermediate_size", 768),
              DenseBlocks(config, d.layers)},
             &d);
  return d;
}

}  // namespace roundlab
