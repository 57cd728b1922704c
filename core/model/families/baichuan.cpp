#include "core/model/families/baichuan.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

constexpr std::int64_t kRotaryWidth = 4096;  // of the 7B, the only one with rotary positions
constexpr std::int64_t kVocab2 = 125696;     // of Baichuan 2

BlockPlan BaichuanBlock(const ModelDescription& d, std::int64_t block, bool alibi) {
  PlanBuilder b(d, block);
  b.plan.attention.alibi = alibi;
  if (alibi) b.plan.attention.rotary = RotaryStyle::kNone;
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.FusedAttention("self_attn.W_pack", "self_attn.o_proj", FusedLayout::kBlocks, false, false);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

}  // namespace

ModelDescription DescribeBaichuan(const ConfigReader& config) {
  ConfigDefaults defaults;
  if (config.Has("model_max_length")) defaults.positions = "model_max_length";
  ModelDescription d = ReadCommon(config, defaults);
  const bool alibi = d.hidden != kRotaryWidth;
  const bool unit_head = d.vocab == kVocab2;
  d.block_plan = With(BaichuanBlock, alibi);
  d.ends_plan = [unit_head](const ModelDescription& m) {
    EndsPlan ends = LlamaEnds(m);
    ends.unit_head = unit_head;
    return ends;
  };
  return d;
}

}  // namespace roundlab
