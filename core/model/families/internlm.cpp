#include "core/model/families/internlm.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan InternLm2Block(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.Norm(NormPlace::kBeforeAttention, "attention_norm");
  b.FusedAttention("attention.wqkv", "attention.wo", FusedLayout::kPerGroup, d.qkv_bias,
                   d.output_bias);
  b.Norm(NormPlace::kBeforeMlp, "ffn_norm");
  b.GatedMlp({"feed_forward.w1", "feed_forward.w3", "feed_forward.w2"}, false);
  return b.Done();
}

EndsPlan InternLm2Ends(const ModelDescription& d) {
  EndsPlan ends = LlamaEnds(d);
  ends.embedding = "model.tok_embeddings";
  ends.head = "output";
  return ends;
}

}  // namespace

ModelDescription DescribeInternLm2(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config);
  d.qkv_bias = d.output_bias = config.BoolOr("bias", true);
  d.block_plan = InternLm2Block;
  d.ends_plan = InternLm2Ends;
  return d;
}

ModelDescription DescribeInternLm3(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 2;
  defaults.head_dim = HeadDimDefault(config, 128);
  defaults.eps = 1e-5;
  ModelDescription d = ReadCommon(config, defaults);
  const char* qkv = config.Has("qkv_bias") ? "qkv_bias" : "attention_bias";
  const char* mlp = config.Has("bias") ? "bias" : "mlp_bias";
  d.qkv_bias = d.output_bias = config.BoolOr(qkv, false);
  d.mlp_bias = config.BoolOr(mlp, false);
  if (d.qkv_bias != d.mlp_bias) {
    config.Fail(std::string(qkv) + (d.qkv_bias ? ": true" : ": false") +
                " is not supported beside " + mlp + (d.mlp_bias ? ": true" : ": false"));
  }
  UseLlamaPlans(&d);
  return d;
}

}  // namespace roundlab
