#include "core/model/families/helium.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"

namespace roundlab {
namespace {

BlockPlan PairedLlamaBlock(const ModelDescription& d, std::int64_t block) {
  BlockPlan plan = LlamaBlock(d, block);
  plan.attention.rotary = RotaryStyle::kPair;
  return plan;
}

ModelDescription ReadErnie(const ConfigReader& config, ConfigDefaults defaults) {
  defaults.kv_heads = 2;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.eps = 1e-5;
  defaults.tied = true;
  defaults.rope.theta = 5e5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = d.mlp_bias = config.BoolOr("use_bias", false);
  UseLlamaPlans(&d);
  return d;
}

}  // namespace

ModelDescription DescribeHelium(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 20;
  defaults.head_dim = 128;
  defaults.eps = 1e-8;
  defaults.rope.theta = 1e5;
  ModelDescription d = ReadCommon(config, defaults);
  if (d.heads * d.head_dim != d.hidden) {
    config.Fail("num_attention_heads " + std::to_string(d.heads) + " of head_dim " +
                std::to_string(d.head_dim) + " are not hidden_size " + std::to_string(d.hidden));
  }
  d.qkv_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  d.block_plan = PairedLlamaBlock;
  d.ends_plan = LlamaEnds;
  return d;
}

ModelDescription DescribeErnie(const ConfigReader& config) {
  ModelDescription d = ReadErnie(config, {});
  d.block_plan = PairedLlamaBlock;
  return d;
}

ModelDescription DescribePaddleOcrText(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.vocab = 103424;
  defaults.max_positions = 131072;
  defaults.rope.sections = true;
  return ReadErnie(config, defaults);
}

}  // namespace roundlab
