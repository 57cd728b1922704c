#include "core/model/families/gpt2.h"

#include "core/model/common_config.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct Scale {
  bool by_head_dim;
  bool by_block;
};

BlockPlan Gpt2Block(const ModelDescription& d, std::int64_t block, const Scale& scale) {
  PlanBuilder b(d, block, "transformer.h." + std::to_string(block) + ".");
  b.plan.attention.rotary = RotaryStyle::kNone;
  if (!scale.by_head_dim) b.plan.attention.scale = 1;
  if (scale.by_block) b.plan.attention.scale /= static_cast<double>(block + 1);
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "ln_1");
  b.FusedAttention("attn.c_attn", "attn.c_proj", FusedLayout::kBlocks, true, true);
  b.Norm(NormPlace::kBeforeMlp, "ln_2");
  b.PlainMlp("mlp.c_fc", "mlp.c_proj", true);
  for (LinearPlan& linear : b.plan.linears) linear.transposed = true;
  return b.Done();
}

}  // namespace

EndsPlan Gpt2Ends(const ModelDescription& d) {
  EndsPlan ends;
  ends.embedding = "transformer.wte";
  ends.positions = "transformer.wpe";
  ends.position_rows = d.max_positions;
  ends.final_norm = LayerNormPlan(d, "transformer.ln_f");
  return ends;
}

ModelDescription DescribeGpt2(const ConfigReader& config) {
  ConfigDefaults defaults = GptKeys(config);
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("n_inner", 4 * d.hidden);
  if (config.BoolOr("add_cross_attention", false)) {
    config.Fail("add_cross_attention: true is not supported");
  }
  const Scale scale = {config.BoolOr("scale_attn_weights", true),
                       config.BoolOr("scale_attn_by_inverse_layer_idx", false)};
  d.block_plan = With(Gpt2Block, scale);
  d.ends_plan = Gpt2Ends;
  return d;
}

}  // namespace roundlab
