#include "core/model/families/apertus.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan ApertusBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Norm(NormPlace::kBeforeAttention, "attention_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim);
  b.Norm(NormPlace::kBeforeMlp, "feedforward_layernorm");
  b.PlainMlp("mlp.up_proj", "mlp.down_proj", false);
  b.XieluNumbers("mlp.act_fn");
  return b.Done();
}

}  // namespace

ModelDescription DescribeApertus(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  defaults.rope.theta = 1.2e7;
  defaults.activation = "";
  ModelDescription d = ReadCommon(config, defaults);
  const std::string act = config.TextOr("hidden_act", "xielu");
  if (act != "xielu") config.Fail("hidden_act: " + act + " is not supported (allowed: xielu)");
  d.activation = Activation::kXielu;
  if (!config.Has("rope_parameters") && !config.Has("rope_scaling")) {
    d.rope.type = RopeType::kLlama3;
    d.rope.factor = 8;
    d.rope.original_positions = 8192;
  }
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.block_plan = ApertusBlock;
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
