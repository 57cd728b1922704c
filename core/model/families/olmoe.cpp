#include "core/model/families/olmoe.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan OlmoeBlock(const ModelDescription& d, std::int64_t block, double clip,
                     const ExpertsPlan& experts) {
  PlanBuilder b(d, block);
  b.plan.attention.clip = clip;
  b.LlamaAttention();
  b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.heads * d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.k_norm", d.kv_heads * d.head_dim);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.Experts(experts, GateUpDown("mlp.experts.#."), d.intermediate);
  return b.Done();
}

}  // namespace

ModelDescription DescribeOlmoe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  const double clip = config.PositiveOr("clip_qkv", 0);
  const ExpertsPlan experts{"mlp.gate", ExpertCount(config, 64),
                            config.IntOr("num_experts_per_tok", 8),
                            config.BoolOr("norm_topk_prob", false)};
  CheckExperts(config, experts);
  d.block_plan = With(OlmoeBlock, clip, experts);
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
