#include "core/model/families/mixture.h"

#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan MixtureBlock(const ModelDescription& d, std::int64_t block, const Mixture& mixture) {
  if (mixture.dense.count(block) > 0) return LlamaBlock(d, block);
  PlanBuilder b(d, block);
  b.LlamaAttention();
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.Experts(mixture.experts, mixture.names, mixture.inner > 0 ? mixture.inner : d.intermediate);
  return b.Done();
}

}  // namespace

std::int64_t ExpertCount(const ConfigReader& config, std::int64_t absent) {
  const char* key = config.Has("num_experts") ? "num_experts" : "num_local_experts";
  return config.IntOr(key, absent);
}

void LayMixture(const ConfigReader& config, const Mixture& mixture, ModelDescription* d) {
  if (mixture.experts.used > mixture.experts.count) {
    config.Fail("num_experts_per_tok " + std::to_string(mixture.experts.used) + " is above the " +
                std::to_string(mixture.experts.count) + " experts");
  }
  d->block_plan = [mixture](const ModelDescription& m, std::int64_t i) {
    return MixtureBlock(m, i, mixture);
  };
  d->ends_plan = LlamaEnds;
}

}  // namespace roundlab
