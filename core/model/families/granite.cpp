#include "core/model/families/granite.h"

#include <cmath>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {

GraniteScales ReadScales(const ConfigReader& config) {
  return {config.PositiveOr("attention_multiplier", 1), config.PositiveOr("residual_multiplier", 1),
          config.PositiveOr("embedding_multiplier", 1), 1 / config.PositiveOr("logits_scaling", 1)};
}

Mixture GraniteExperts(std::int64_t count, std::int64_t used, std::int64_t shared) {
  const std::string mlp = "block_sparse_moe.";
  Mixture mixture{{mlp + "router.layer", count, used, true},
                  {mlp + "input_linear.#", mlp + "output_linear.#"},
                  0,
                  {}};
  mixture.stack = ".weight";
  mixture.experts.shared = shared > 0;
  mixture.shared = {"shared_mlp.input_linear", "shared_mlp.output_linear"};
  mixture.shared_inner = shared;
  return mixture;
}

void ScaleParts(const GraniteScales& scales, ModelDescription* d) {
  d->block_plan = [plain = d->block_plan, scales](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = plain(m, i);
    plan.attention.scale = scales.scores;
    plan.scales = {scales.residual, scales.residual, scales.residual};
    return plan;
  };
  d->ends_plan = [scales](const ModelDescription& m) {
    EndsPlan ends = LlamaEnds(m);
    ends.embedding_scale = scales.embedding;
    ends.logit_scale = scales.logits;
    return ends;
  };
}

namespace {

ModelDescription ReadGraniteMoe(const ConfigReader& config, std::int64_t shared) {
  ModelDescription d = ReadCommon(config);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  LayMixture(config,
             GraniteExperts(ExpertCount(config, 8), config.IntOr("num_experts_per_tok", 2), shared),
             &d);
  ScaleParts(ReadScales(config), &d);
  return d;
}

BlockPlan HyperClovaBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block);
  b.LlamaAttention();
  b.Norm(NormPlace::kOnAttention, "post_norm1");
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, d.mlp_bias);
  b.Norm(NormPlace::kOnMlp, "post_norm2");
  return b.Done();
}

}  // namespace

ModelDescription DescribeGranite(const ConfigReader& config) {
  ModelDescription d = DescribeLlama(config);
  ScaleParts(ReadScales(config), &d);
  return d;
}

ModelDescription DescribeGraniteMoe(const ConfigReader& config) {
  return ReadGraniteMoe(config, 0);
}

ModelDescription DescribeGraniteMoeShared(const ConfigReader& config) {
  return ReadGraniteMoe(config, config.AnyIntOr("shared_intermediate_size", 0));
}

ModelDescription DescribeHyperClova(const ConfigReader& config) {
  ModelDescription d = DescribeLlama(config);
  if (config.BoolOr("use_post_norm", true)) d.block_plan = HyperClovaBlock;
  GraniteScales scales = ReadScales(config);
  scales.scores =
      config.PositiveOr("attention_multiplier", 1 / std::sqrt(static_cast<double>(d.head_dim)));
  scales.logits = config.PositiveOr("logits_scaling", 1);
  ScaleParts(scales, &d);
  return d;
}

}  // namespace roundlab
