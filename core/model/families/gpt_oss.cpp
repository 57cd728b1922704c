#include "core/model/families/gpt_oss.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct GptOss {
  Mixture mixture;
  double limit = 7;    ///< of what an expert gates
  bool mxfp4 = false;  ///< else experts are stored as [in, out]
};

BlockPlan GptOssBlock(const ModelDescription& d, std::int64_t block, const GptOss& traits) {
  PlanBuilder b(d, block);
  b.LlamaAttention().Sinks("self_attn.sinks");
  AddMlp(traits.mixture, d, block, &b);
  b.ExpertBiases();
  for (LinearPlan& linear : b.plan.linears) {
    linear.transposed = linear.expert >= 0 && !traits.mxfp4;
  }
  MlpPlan& mlp = b.plan.mlp;
  mlp.activation = Activation::kQuickGelu;
  mlp.clamp = traits.limit;
  mlp.up_offset = 1;
  mlp.by_turns = true;
  return b.Done();
}

}  // namespace

ModelDescription DescribeGptOss(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = 64;
  defaults.eps = 1e-5;
  defaults.max_positions = 131072;
  defaults.rope.theta = 150000;
  ModelDescription d = ReadCommon(config, defaults);
  if (d.activation != Activation::kSilu) Refuse(config, "hidden_act", "silu");
  if (!config.Has("rope_parameters") && !config.Has("rope_scaling")) {
    d.rope.type = RopeType::kYarn;
    d.rope.factor = 32;
    d.rope.original_positions = 4096;
    d.rope.attention_factor = YarnScale(d.rope.factor, 1);
    d.rope.truncate = false;
  }
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", true);
  ReadPattern(config, 128, 2, &d);
  GptOss traits;
  if (config.PositiveOr("swiglu_alpha", 1.702) != 1.702) Refuse(config, "swiglu_alpha", "1.702");
  traits.limit = config.PositiveOr("swiglu_limit", 7);
  traits.mxfp4 = config.Has("quantization_config") &&
                 config.Inside("quantization_config").TextOr("quant_method", "") == "mxfp4";
  ExpertsPlan experts{"mlp.router", ExpertCount(config, 128), 4};
  const char* used =
      config.Has("num_experts_per_tok") ? "num_experts_per_tok" : "experts_per_token";
  experts.used = config.IntOr(used, experts.used);
  experts.router_bias = true;
  CheckExperts(config, experts);
  traits.mixture = {experts, {}, 0, {}};
  StackExperts(&traits.mixture);
  d.block_plan = With(GptOssBlock, traits);
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
