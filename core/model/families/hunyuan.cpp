#include "core/model/families/hunyuan.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

void AddAttention(const ModelDescription& d, PlanBuilder* b) {
  b->plan.attention.norm_after_rotary = true;
  b->LlamaAttention();
  b->Norm(NormPlace::kQuery, "self_attn.query_layernorm", d.head_dim);
  b->Norm(NormPlace::kKey, "self_attn.key_layernorm", d.head_dim);
}

BlockPlan HunyuanBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  AddAttention(d, &b);
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

BlockPlan HunyuanMoeBlock(const ModelDescription& d, std::int64_t block, Mixture mixture,
                          const std::vector<std::int64_t>& used) {
  PlanBuilder b(d, block);
  AddAttention(d, &b);
  mixture.experts.used = used.at(static_cast<std::size_t>(block));
  mixture.shared_inner = d.intermediate;
  AddMlp(mixture, d, block, &b);
  return b.Done();
}

/// One number for all blocks, or a list of one each.
std::vector<std::int64_t> ForEachBlock(const ConfigReader& config, const char* key,
                                       std::int64_t absent, std::int64_t layers) {
  const auto count = static_cast<std::size_t>(layers);
  if (!config.Has(key) || !config.root().at(key).is_array()) {
    return std::vector<std::int64_t>(count, config.IntOr(key, absent));
  }
  const std::vector<std::int64_t> listed = config.Integers(key);
  if (listed.size() == count) return listed;
  config.Fail(std::string(key) + ": expected " + std::to_string(count) + " entries, got " +
              std::to_string(listed.size()));
}

ModelDescription ReadHunyuan(const ConfigReader& config, ConfigDefaults defaults = {}) {
  defaults.eps = 1e-5;
  defaults.rope.alpha = true;
  ModelDescription d = ReadCommon(config, defaults);
  RequireFlag(config, "use_qk_norm", true);
  RequireFlag(config, "use_cla", false);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace

ModelDescription DescribeHunyuan(const ConfigReader& config) {
  ModelDescription d = ReadHunyuan(config);
  d.block_plan = HunyuanBlock;
  return d;
}

ModelDescription DescribeHunyuanVlText(const ConfigReader& given) {
  const char* key = "attention_head_dim";
  const ConfigReader config = given.Has(key) ? given.Over({{"head_dim", given.Int(key)}}) : given;
  ConfigDefaults defaults;
  defaults.tied = true;
  defaults.vocab = 290943;
  defaults.max_positions = 2048;
  defaults.rope.sections = true;
  ModelDescription d = ReadHunyuan(config, defaults);
  d.block_plan = HunyuanBlock;
  return d;
}

ModelDescription DescribeHunyuanMoe(const ConfigReader& config) {
  ModelDescription d = ReadHunyuan(config);
  Mixture mixture{{"mlp.gate.wg", ExpertCount(config, 1)}, GateUpDown("mlp.experts.#."), 0, {}};
  mixture.experts.in_float = mixture.experts.shared = true;
  mixture.shared = GateUpDown("mlp.shared_mlp.");
  const std::vector<std::int64_t> used = ForEachBlock(config, "moe_topk", 1, d.layers);
  for (const std::int64_t each : used) {
    mixture.experts.used = each;
    if (each < 1) Refuse(config, "moe_topk", "positive integers");
    CheckExperts(config, mixture.experts);
  }
  d.block_plan = With(HunyuanMoeBlock, mixture, used);
  return d;
}

}  // namespace roundlab
