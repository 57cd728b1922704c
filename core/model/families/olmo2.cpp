#include "core/model/families/olmo2.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan Olmo2Block(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.heads * d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.k_norm", d.kv_heads * d.head_dim);
  b.Norm(NormPlace::kOnAttention, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  b.Norm(NormPlace::kOnMlp, "post_feedforward_layernorm");
  return b.Done();
}

}  // namespace

ModelDescription DescribeOlmo2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.block_plan = Olmo2Block;
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
