#include "core/model/families/nanochat.h"

#include "core/model/common_config.h"
#include "core/model/families/gemma.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan NanoChatBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.plan.attention.norm_after_rotary = true;
  b.NormsWithoutWeight();
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.PlainMlp("mlp.fc1", "mlp.fc2", false);
  return b.Done();
}

EndsPlan NanoChatEnds(const ModelDescription& d, double soft_cap) {
  EndsPlan ends = LlamaEnds(d);
  ends.final_norm->stored = false;
  ends.embedding_norm = ends.final_norm;
  ends.embedding_norm->name = "model.embed_norm";
  ends.logit_soft_cap = soft_cap;
  return ends;
}

}  // namespace

ModelDescription DescribeNanoChat(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.act = "relu2";
  defaults.max_positions = 2048;
  ModelDescription d = ReadCommon(config, defaults);
  if (d.rope.type != RopeType::kDefault && d.rope.type != RopeType::kLinear) {
    config.Fail("rope_type: only default and linear are supported for this family");
  }
  d.rope.divisors = {-1};  // of all frequencies: q and k of position p turn by -p f
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.qk_norm = true;
  const double soft_cap = GemmaSoftCap(config, "final_logit_softcapping", 15);
  d.block_plan = NanoChatBlock;
  d.ends_plan = [soft_cap](const ModelDescription& m) { return NanoChatEnds(m, soft_cap); };
  return d;
}

}  // namespace roundlab
