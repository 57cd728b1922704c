#include "core/model/families/afmoe.h"

#include <cmath>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan AfMoeBlock(const ModelDescription& d, std::int64_t block, const Mixture& mixture) {
  PlanBuilder b(d, block);
  if (b.plan.attention.window == 0) b.plan.attention.rotary = RotaryStyle::kNone;
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
               "self_attn.gate_proj"},
              d.qkv_bias, d.output_bias);
  b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim);
  b.Norm(NormPlace::kOnAttention, "post_attention_layernorm");
  AddMlp(mixture, d, block, &b, "pre_mlp_layernorm");
  return b.Norm(NormPlace::kOnMlp, "post_mlp_layernorm").Done();
}

}  // namespace

ModelDescription DescribeAfMoe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.vocab = 200192;
  defaults.max_positions = 16384;
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  ReadPattern(config, 1024, config.IntOr("global_attn_every_n_layers", 4), &d);
  ExpertsPlan experts = CorrectedExperts(ExpertCount(config, 64), 6);
  experts.factor = config.PositiveOr("route_scale", 1);
  const std::int64_t shared = config.IntOr("num_shared_experts", 2);
  const std::int64_t dense = config.AnyIntOr("num_dense_layers", 1);
  Mixture mixture = ReadGroupedMixture(config, d, {experts, 1408, shared, dense, false});
  mixture.experts.router = "mlp.router.gate";
  mixture.experts.correction = "mlp.expert_bias";
  mixture.experts.in_float = false;
  d.block_plan = With(AfMoeBlock, mixture);
  const double scale =
      config.BoolOr("mup_enabled", false) ? std::sqrt(static_cast<double>(d.hidden)) : 1;
  d.ends_plan = [scale](const ModelDescription& m) {
    EndsPlan ends = LlamaEnds(m);
    ends.embedding_scale = scale;
    return ends;
  };
  return d;
}

}  // namespace roundlab
