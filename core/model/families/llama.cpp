#include "core/model/families/llama.h"

#include "core/model/common_config.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {

BlockPlan LlamaBlock(const ModelDescription& d, std::int64_t block) {
  return LlamaBlockAt(d, block, LayerPrefix(block));
}

BlockPlan LlamaBlockAt(const ModelDescription& d, std::int64_t block, const std::string& prefix) {
  PlanBuilder b(d, block, prefix);
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, d.mlp_bias);
  return b.Done();
}

EndsPlan LlamaEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.final_norm = NormPlan{};
  ends.final_norm->name = "model.norm";
  ends.final_norm->width = d.hidden;
  ends.final_norm->eps = d.norm_eps;
  return ends;
}

void UseLlamaPlans(ModelDescription* d) {
  d->block_plan = LlamaBlock;
  d->ends_plan = LlamaEnds;
}

ModelDescription DescribeLlama(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.max_positions = 2048;
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  return d;
}

ModelDescription DescribeSeedOss(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.qkv_bias = config.BoolOr("attention_bias", true);
  d.output_bias = config.BoolOr("attention_out_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  return d;
}

ModelDescription DescribeIQuestCoder(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.eps = 1e-5;
  defaults.max_positions = 131072;
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  RequireNull(config, "clip_qkv");
  RequireFlag(config, "use_sliding_window", false);
  return d;
}

ModelDescription DescribeMistral(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  ReadSliding(
      config, 4096, [](std::int64_t) { return true; }, &d);
  return d;
}

ModelDescription DescribeCwm(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.eps = 1e-5;
  defaults.max_positions = 131072;
  defaults.rope.theta = 1e6;
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  if (!config.Has("rope_parameters") && !config.Has("rope_scaling")) {
    d.rope.type = RopeType::kLlama3;
    d.rope.theta = 1e6;
    d.rope.factor = 16;
    d.rope.original_positions = 8192;
  }
  ReadSliding(
      config, 8192, [](std::int64_t i) { return i % 4 != 0; }, &d);
  return d;
}

}  // namespace roundlab
