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
  if (mixture.experts.shared) b.SharedExpert(mixture.shared, mixture.shared_inner);
  b.Experts(mixture.experts, mixture.names, mixture.inner > 0 ? mixture.inner : d.intermediate);
  if (!mixture.stack.empty()) b.Stacked(mixture.stack);
  return b.Done();
}

}  // namespace

std::int64_t ExpertCount(const ConfigReader& config, std::int64_t absent) {
  const char* key = config.Has("num_experts") ? "num_experts" : "num_local_experts";
  return config.IntOr(key, absent);
}

void CheckExperts(const ConfigReader& config, const ExpertsPlan& experts) {
  if (experts.used <= experts.count) return;
  config.Fail("num_experts_per_tok " + std::to_string(experts.used) + " is above the " +
              std::to_string(experts.count) + " experts");
}

std::set<std::int64_t> DenseBlocks(const ConfigReader& config, std::int64_t layers) {
  std::set<std::int64_t> dense;
  const std::int64_t step = config.IntOr("decoder_sparse_step", 1);
  for (std::int64_t i = 0; i < layers; ++i) {
    if ((i + 1) % step != 0) dense.insert(i);
  }
  for (const std::int64_t i : config.Integers("mlp_only_layers")) dense.insert(i);
  return dense;
}

void LayMixture(const ConfigReader& config, const Mixture& mixture, ModelDescription* d) {
  CheckExperts(config, mixture.experts);
  d->block_plan = With(MixtureBlock, mixture);
  d->ends_plan = LlamaEnds;
}

}  // namespace roundlab
