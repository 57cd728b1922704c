#include "core/model/families/gpt_bigcode.h"

#include "core/model/common_config.h"
#include "core/model/families/gpt2.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan BigCodeBlock(const ModelDescription& d, std::int64_t block, FusedLayout layout,
                       bool scaled) {
  PlanBuilder b(d, block, "transformer.h." + std::to_string(block) + ".");
  b.plan.attention.rotary = RotaryStyle::kNone;
  if (!scaled) b.plan.attention.scale = 1;
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "ln_1");
  b.FusedAttention("attn.c_attn", "attn.c_proj", layout, true, true);
  b.Norm(NormPlace::kBeforeMlp, "ln_2");
  b.PlainMlp("mlp.c_fc", "mlp.c_proj", true);
  return b.Done();
}

}  // namespace

ModelDescription DescribeGptBigCode(const ConfigReader& config) {
  ConfigDefaults defaults = GptKeys(config);
  defaults.act = "gelu_pytorch_tanh";
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("n_inner", 4 * d.hidden);
  RequireFlag(config, "add_cross_attention", false);
  const bool one_key = config.BoolOr("multi_query", true);
  d.kv_heads = one_key ? 1 : d.heads;
  const FusedLayout layout = one_key ? FusedLayout::kBlocks : FusedLayout::kPerGroup;
  const bool scaled = config.BoolOr("scale_attn_weights", true);
  d.block_plan = With(BigCodeBlock, layout, scaled);
  d.ends_plan = Gpt2Ends;
  return d;
}

}  // namespace roundlab
