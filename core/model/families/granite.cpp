#include "core/model/families/granite.h"

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"

namespace roundlab {
namespace {

/// Scales a model that is laid out.
void ScaleParts(const ConfigReader& config, ModelDescription* d) {
  const double scores = config.PositiveOr("attention_multiplier", 1);
  const double residual = config.PositiveOr("residual_multiplier", 1);
  const double embedding = config.PositiveOr("embedding_multiplier", 1);
  const double logits = 1 / config.PositiveOr("logits_scaling", 1);
  d->block_plan = [plain = d->block_plan, scores, residual](const ModelDescription& m,
                                                            std::int64_t i) {
    BlockPlan plan = plain(m, i);
    plan.attention.scale = scores;
    plan.residual_scale = residual;
    return plan;
  };
  d->ends_plan = [embedding, logits](const ModelDescription& m) {
    EndsPlan ends = LlamaEnds(m);
    ends.embedding_scale = embedding;
    ends.logit_scale = logits;
    return ends;
  };
}

}  // namespace

ModelDescription DescribeGranite(const ConfigReader& config) {
  ModelDescription d = DescribeLlama(config);
  ScaleParts(config, &d);
  return d;
}

ModelDescription DescribeGraniteMoe(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  const std::string mlp = "block_sparse_moe.";
  Mixture mixture{
      {mlp + "router.layer", ExpertCount(config, 8), config.IntOr("num_experts_per_tok", 2), true},
      {mlp + "input_linear.#", mlp + "output_linear.#"},
      0,
      {}};
  mixture.stack = ".weight";
  LayMixture(config, mixture, &d);
  ScaleParts(config, &d);
  return d;
}

}  // namespace roundlab
