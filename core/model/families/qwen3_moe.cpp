#include "core/model/families/qwen3_moe.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"

namespace roundlab {
namespace {

ModelDescription ReadQwen3Moe(const ConfigReader& config, const ConfigDefaults& defaults,
                              bool normalize) {
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  if (config.BoolOr("use_sliding_window", false)) ReadWindow(config, 4096, &d);
  LayMixture(config,
             {{"mlp.gate", ExpertCount(config, 128), config.IntOr("num_experts_per_tok", 8),
               config.BoolOr("norm_topk_prob", normalize)},
              GateUpDown("mlp.experts.#."),
              config.IntOr("moe_intermediate_size", 768),
              DenseBlocks(config, d.layers)},
             &d);
  return d;
}

}  // namespace

ModelDescription DescribeMellum(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.vocab = 98304;
  defaults.max_positions = 131072;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("intermediate_size", 7168);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  ReadTwoRopes(config, 5e5, 1e4, &d);
  ReadSliding(
      config, 1024, [](std::int64_t) { return false; }, &d);
  Mixture mixture = {{"mlp.gate", ExpertCount(config, 64), config.IntOr("num_experts_per_tok", 8),
                      config.BoolOr("norm_topk_prob", true)},
                     GateUpDown("mlp.experts.#."),
                     config.IntOr("moe_intermediate_size", 896),
                     {}};
  ReadMlpTypes(config, d, &mixture);
  LayMixture(config, mixture, &d);
  d.block_plan = [plain = d.block_plan](const ModelDescription& m, std::int64_t block) {
    BlockPlan plan = plain(m, block);
    plan.attention.rope = plan.attention.window > 0 ? 1 : 0;
    return plan;
  };
  d.naming.other_parts = {"mtp."};
  return d;
}

ModelDescription DescribeQwen3Moe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  return ReadQwen3Moe(config, defaults, false);
}

ModelDescription DescribeQwen3OmniMoeText(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  defaults.max_positions = 32768;
  defaults.rope.theta = 1e6;
  defaults.rope.sections = true;
  return ReadQwen3Moe(config, defaults, true);
}

}  // namespace roundlab
