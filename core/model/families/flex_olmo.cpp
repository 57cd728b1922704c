#include "core/model/families/flex_olmo.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan FlexOlmoBlock(const ModelDescription& d, std::int64_t block, const ExpertsPlan& experts) {
  PlanBuilder b(d, block);
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.heads * d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.k_norm", d.kv_heads * d.head_dim);
  b.Norm(NormPlace::kOnAttention, "post_attention_layernorm");
  b.Experts(experts, GateUpDown("mlp.experts.#."), d.intermediate);
  b.Norm(NormPlace::kOnMlp, "post_feedforward_layernorm");
  return b.Done();
}

}  // namespace

ModelDescription DescribeFlexOlmo(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.max_positions = 4096;
  defaults.rope.theta = 5e5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  const ExpertsPlan experts{"mlp.gate", ExpertCount(config, 7),
                            config.IntOr("num_experts_per_tok", 5),
                            config.BoolOr("norm_topk_prob", false)};
  CheckExperts(config, experts);
  d.block_plan = With(FlexOlmoBlock, experts);
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
