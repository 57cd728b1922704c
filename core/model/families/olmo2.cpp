#include "core/model/families/olmo2.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {

BlockPlan Olmo2Block(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.qk_norm ? d.head_dim : d.heads * d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.k_norm", d.qk_norm ? d.head_dim : d.kv_heads * d.head_dim);
  b.Norm(NormPlace::kOnAttention, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  b.Norm(NormPlace::kOnMlp, "post_feedforward_layernorm");
  return b.Done();
}

ModelDescription DescribeOlmo2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.block_plan = Olmo2Block;
  d.ends_plan = LlamaEnds;
  return d;
}

ModelDescription DescribeOlmo3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  ReadTwoRopes(config, 5e5, 5e5, &d);
  ReadPattern(config, 4096, 4, &d);
  d.block_plan = [](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = Olmo2Block(m, i);
    plan.attention.rope = plan.attention.window > 0 ? 1 : 0;
    return plan;
  };
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
