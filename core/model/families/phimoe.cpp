#include "core/model/families/phimoe.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan PhiMoeBlock(const ModelDescription& d, std::int64_t block, const ExpertsPlan& experts) {
  PlanBuilder b(d, block);
  b.Norms(NormKind::kLayer, 0, true);
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  const std::string expert = "block_sparse_moe.experts.#.";
  b.Experts(experts, {expert + "w1", expert + "w3", expert + "w2"}, d.intermediate);
  return b.Done();
}

/// LongRoPE whose factor of cos and sin is told, and is the same for short and long texts.
void ReadFactor(const ConfigReader& config, ModelDescription* d) {
  if (d->rope.type == RopeType::kDefault) return;
  const ConfigReader inner = RopeKeys(config);
  if (d->rope.type != RopeType::kLongRope) {
    inner.Fail("rope_type: phimoe has default and longrope only");
  }
  d->rope.attention_factor = inner.Positive("short_mscale");
  if (inner.Positive("long_mscale") != d->rope.attention_factor) {
    Refuse(inner, "long_mscale", "short_mscale, " + inner.root().at("short_mscale").dump());
  }
}

}  // namespace

ModelDescription DescribePhiMoe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.eps = 1e-5;
  defaults.rope.theta = 1e6;
  ModelDescription d = ReadCommon(config, defaults);
  ReadFactor(config, &d);
  ReadWindow(config, 0, &d);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  RequireInt(config, "num_experts_per_tok", 2);  // its routing takes two
  ExpertsPlan experts{"block_sparse_moe.gate", ExpertCount(config, 16), 2};
  experts.routing = Routing::kSparseMixer;
  const char* jitter = "router_jitter_noise";
  const bool none = config.Has(jitter) && !HasFactor(config, jitter);
  experts.jitter = none ? 0 : config.PositiveOr(jitter, 0.01);
  CheckExperts(config, experts);
  d.block_plan = With(PhiMoeBlock, experts);
  d.ends_plan = [bias = config.BoolOr("lm_head_bias", false)](const ModelDescription& m) {
    EndsPlan ends;
    ends.final_norm = LayerNormPlan(m, "model.norm");
    ends.head_bias = bias;
    return ends;
  };
  return d;
}

}  // namespace roundlab
