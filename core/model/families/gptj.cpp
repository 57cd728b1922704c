#include "core/model/families/gptj.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan GptJBlock(const ModelDescription& d, std::int64_t block, bool fused) {
  PlanBuilder b(d, block, "transformer.h." + std::to_string(block) + ".");
  b.plan.parallel = true;
  b.plan.attention.rotary = RotaryStyle::kPair;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "ln_1");
  if (fused) {
    b.FusedAttention("attn.qkv_proj", "attn.out_proj", FusedLayout::kQuarters, false, false);
  } else {
    b.Attention({"attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.out_proj"}, false, false);
  }
  b.PlainMlp("mlp.fc_in", "mlp.fc_out", true);
  return b.Done();
}

EndsPlan GptJEnds(const ModelDescription& d) {
  EndsPlan ends;
  ends.embedding = "transformer.wte";
  ends.final_norm = LayerNormPlan(d, "transformer.ln_f");
  ends.head_bias = true;
  return ends;
}

ModelDescription ReadGptJ(const ConfigReader& config, bool fused) {
  ModelDescription d = ReadSizes(config, GptKeys(config));
  d.intermediate = config.IntOr("n_inner", 4 * d.hidden);
  d.rotary_dim = config.Mentions("rotary_dim") ? config.Int("rotary_dim") : 64;
  if (d.rotary_dim > d.head_dim || d.rotary_dim % 2 != 0) {
    config.Fail("rotary_dim: " + std::to_string(d.rotary_dim) +
                " is not an even number up to the head's " + std::to_string(d.head_dim));
  }
  d.block_plan = With(GptJBlock, fused);
  d.ends_plan = GptJEnds;
  return d;
}

}  // namespace

ModelDescription DescribeGptJ(const ConfigReader& config) { return ReadGptJ(config, false); }

ModelDescription DescribeCodeGen(const ConfigReader& config) {
  ModelDescription d = ReadGptJ(config, true);
  if (d.heads % 4 != 0) {
    config.Fail(std::string(GptKeys(config).heads) + ": " + std::to_string(d.heads) +
                " is not a multiple of 4");
  }
  return d;
}

}  // namespace roundlab
