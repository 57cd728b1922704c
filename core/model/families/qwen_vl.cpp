#include "core/model/families/qwen_vl.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/families/multimodal.h"
#include "core/model/families/qwen.h"

namespace roundlab {
namespace {

ConfigDefaults QwenVlDefaults(double theta) {
  ConfigDefaults defaults;
  defaults.max_positions = 128000;
  defaults.rope.theta = theta;
  defaults.rope.sections = true;
  return defaults;
}

ModelDescription ReadQwen3Vl(const ConfigReader& config, const ConfigDefaults& defaults) {
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  return d;
}

}  // namespace

ModelDescription DescribeQwen2Vl(const ConfigReader& config) {
  // Published files have the text's keys beside those of the whole.
  const ConfigReader text = config.Has("text_config") ? config.Inside("text_config") : config;
  ConfigDefaults defaults = QwenVlDefaults(1e6);
  defaults.kv_heads = 8;
  defaults.eps = 1e-5;
  defaults.max_positions = 32768;
  ModelDescription d = ReadQwen2(text, defaults, 80);
  d.tied_head = d.tied_head || config.BoolOr("tie_word_embeddings", false);
  NameWithin({"visual."}, &d);
  return d;
}

ModelDescription DescribeQwen3VlText(const ConfigReader& config) {
  ConfigDefaults defaults = QwenVlDefaults(5e5);
  defaults.kv_heads = 32;
  defaults.head_dim = 128;
  ModelDescription d = ReadQwen3Vl(config, defaults);
  UseLlamaPlans(&d);
  return d;
}

ModelDescription DescribeQwen3VlMoeText(const ConfigReader& config) {
  ConfigDefaults defaults = QwenVlDefaults(5e5);
  defaults.kv_heads = 16;
  ModelDescription d = ReadQwen3Vl(config, defaults);
  Mixture mixture = {
      {"mlp.gate", ExpertCount(config, 60), config.IntOr("num_experts_per_tok", 4), true},
      {},
      config.IntOr("moe_intermediate_size", 1408),
      DenseBlocks(config, d.layers)};
  StackExperts(&mixture);
  LayMixture(config, mixture, &d);
  d.block_plan = [stacked = d.block_plan](const ModelDescription& m, std::int64_t block) {
    BlockPlan plan = stacked(m, block);
    for (LinearPlan& linear : plan.linears) {
      linear.transposed = linear.either_way = linear.expert >= 0;
    }
    return plan;
  };
  return d;
}

}  // namespace roundlab
