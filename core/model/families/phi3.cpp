#include "core/model/families/phi3.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan Phi3Block(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.FusedAttention("self_attn.qkv_proj", "self_attn.o_proj", FusedLayout::kBlocks, false, false);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

}  // namespace

ModelDescription DescribePhi3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  defaults.rope.may_be_partial = true;
  defaults.rope.long_names = true;
  defaults.rope.original_positions = 4096;
  ModelDescription d = ReadCommon(config, defaults);
  if (d.rope.type != RopeType::kDefault && d.rope.type != RopeType::kLongRope) {
    config.Fail("rope_scaling: phi3 has rope types default and longrope only");
  }
  ReadWindow(config, 0, &d);
  d.block_plan = Phi3Block;
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
