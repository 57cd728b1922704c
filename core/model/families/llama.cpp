#include "core/model/families/llama.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

void ReadQwenWindows(const ConfigReader& config, ModelDescription* d) {
  const bool use = config.BoolOr("use_sliding_window", false);
  const bool absent = !config.Mentions("sliding_window");
  const std::int64_t window = !use ? 0 : (absent ? 4096 : config.IntOr("sliding_window", 0));
  const std::int64_t first = config.AnyIntOr("max_window_layers", 28);
  ReadWindows(
      config, window, [&](std::int64_t i) { return window > 0 && i >= first; }, d);
}

}  // namespace

BlockPlan LlamaBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block, "model.layers." + std::to_string(block) + ".");
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  if (d.qk_norm) {
    b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim);
    b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim);
  }
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
  ModelDescription d = ReadCommon(config);
  UseLlamaPlans(&d);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  return d;
}

ModelDescription DescribeMistral(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  ReadWindow(config, 4096, &d);
  const std::int64_t window = d.windows.front();
  ReadWindows(
      config, window, [&](std::int64_t) { return true; }, &d);
  return d;
}

ModelDescription DescribeQwen2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 32;
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.qkv_bias = true;
  ReadQwenWindows(config, &d);
  return d;
}

ModelDescription DescribeQwen3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 32;
  defaults.head_dim = 128;  // whatever hidden / heads is
  ModelDescription d = ReadCommon(config, defaults);
  UseLlamaPlans(&d);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  ReadQwenWindows(config, &d);
  return d;
}

}  // namespace roundlab
