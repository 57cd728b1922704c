#include "core/model/families/dbrx.h"

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan DbrxBlock(const ModelDescription& d, std::int64_t block, double clip,
                    const ExpertsPlan& experts) {
  PlanBuilder b(d, block, "transformer.blocks." + std::to_string(block) + ".");
  b.plan.attention.clip = clip;
  const std::string attention = "norm_attn_norm.attn.";
  b.Norms(NormKind::kLayer);
  b.Norm(NormPlace::kBeforeAttention, "norm_attn_norm.norm_1");
  b.FusedAttention(attention + "Wqkv", attention + "out_proj", FusedLayout::kBlocks, false, false);
  b.Norm(NormPlace::kBeforeMlp, "norm_attn_norm.norm_2");
  const std::string mlp = "ffn.experts.mlp.";
  b.Experts(experts, {mlp + "w1.#", mlp + "v1.#", mlp + "w2.#"}, d.intermediate);
  b.Stacked("");
  for (LinearPlan& linear : b.plan.linears) linear.transposed = linear.role == LinearRole::kDown;
  return b.Done();
}

EndsPlan DbrxEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.embedding = "transformer.wte";
  ends.final_norm = LayerNormPlan(d, "transformer.norm_f", false);
  return ends;
}

ExpertsPlan ReadExperts(const ConfigReader& config, const ConfigReader& inner) {
  const ExpertsPlan experts{
      "ffn.router.layer", inner.IntOr("moe_num_experts", 4), inner.IntOr("moe_top_k", 1),
      !inner.Mentions("moe_normalize_expert_weights") || inner.Has("moe_normalize_expert_weights")};
  if (inner.PositiveOr("moe_normalize_expert_weights", 1) != 1) {
    Refuse(inner, "moe_normalize_expert_weights", "1, null");
  }
  CheckExperts(config, experts);
  return experts;
}

}  // namespace

ModelDescription DescribeDbrx(const ConfigReader& config) {
  const auto inside = [&](const char* key) {
    return config.Has(key) ? config.Inside(key) : config.Without();
  };
  const ConfigReader attention = inside("attn_config");
  const ConfigReader mlp = inside("ffn_config");
  ConfigDefaults defaults;
  defaults.hidden = "d_model";
  defaults.layers = "n_layers";
  defaults.heads = "n_heads";
  defaults.positions = "max_seq_len";
  defaults.norm_eps = "";  // no key: not in the configuration
  defaults.eps = 1e-5;
  defaults.activation = "";
  ModelDescription d = ReadSizes(config, defaults);
  d.kv_heads = attention.IntOr("kv_n_heads", 1);
  if (d.heads % d.kv_heads != 0) {
    attention.Fail("kv_n_heads " + std::to_string(d.kv_heads) + " does not divide n_heads " +
                   std::to_string(d.heads));
  }
  d.intermediate = mlp.IntOr("ffn_hidden_size", 3584);
  if (mlp.Has("ffn_act_fn")) d.activation = ReadActivation(mlp.Inside("ffn_act_fn"), "name");
  RopeDefaults rope{attention.PositiveOr("rope_theta", 10000)};
  rope.positions = defaults.positions;
  ReadRope(config, &d, rope);
  const double clip = attention.PositiveOr("clip_qkv", 0);
  d.block_plan = With(DbrxBlock, clip, ReadExperts(config, mlp));
  d.ends_plan = DbrxEnds;
  return d;
}

}  // namespace roundlab
