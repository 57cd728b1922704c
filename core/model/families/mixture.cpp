#include "core/model/families/mixture.h"

#include <algorithm>

#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan MixtureBlock(const ModelDescription& d, std::int64_t block, const Mixture& mixture) {
  PlanBuilder b(d, block);
  b.LlamaAttention();
  AddMlp(mixture, d, block, &b);
  return b.Done();
}

void CheckGroups(const ConfigReader& config, const ExpertsPlan& experts) {
  const std::int64_t each = experts.count / experts.groups;
  if (experts.count % experts.groups != 0) {
    config.Fail("n_group " + std::to_string(experts.groups) + " does not divide the " +
                std::to_string(experts.count) + " experts");
  }
  if (experts.groups_used > experts.groups) {
    config.Fail("topk_group " + std::to_string(experts.groups_used) + " is above n_group " +
                std::to_string(experts.groups));
  }
  if (experts.used > experts.groups_used * each) {
    config.Fail("num_experts_per_tok " + std::to_string(experts.used) + " is above the " +
                std::to_string(experts.groups_used * each) + " experts of topk_group groups");
  }
  if (experts.groups > 1 && experts.routing == Routing::kSigmoid && each < 2) {
    config.Fail("a group must have two experts, n_group " + std::to_string(experts.groups) +
                " leaves one");
  }
}

}  // namespace

void AddMlp(const Mixture& mixture, const ModelDescription& d, std::int64_t block, PlanBuilder* b,
            const char* norm) {
  b->Norm(NormPlace::kBeforeMlp, norm);
  if (mixture.dense.count(block) > 0) {
    b->GatedMlp(GateUpDown("mlp."), d.mlp_bias);
    return;
  }
  if (mixture.experts.shared) b->SharedExpert(mixture.shared, mixture.shared_inner, d.mlp_bias);
  b->Experts(mixture.experts, mixture.names, mixture.inner > 0 ? mixture.inner : d.intermediate);
  if (mixture.stack) b->Stacked(*mixture.stack);
}

ExpertsPlan CorrectedExperts(std::int64_t count, std::int64_t used) {
  ExpertsPlan experts;
  experts.routing = Routing::kSigmoid;
  experts.correction = "mlp.gate.e_score_correction_bias";
  experts.count = count;
  experts.used = used;
  return experts;
}

Mixture ReadGroupedMixture(const ConfigReader& config, const ModelDescription& d,
                           const GroupedMixture& absent) {
  ExpertsPlan experts = absent.experts;
  experts.shared = experts.in_float = true;
  experts.router = "mlp.gate";
  experts.count = config.IntOr("n_routed_experts", experts.count);
  experts.used = config.IntOr("num_experts_per_tok", experts.used);
  experts.normalize = config.BoolOr("norm_topk_prob", experts.normalize);
  experts.factor = config.PositiveOr("routed_scaling_factor", experts.factor);
  if (absent.grouped) {
    experts.groups = config.IntOr("n_group", experts.groups);
    experts.groups_used = config.IntOr("topk_group", experts.groups_used);
  }
  CheckExperts(config, experts);
  CheckGroups(config, experts);
  Mixture mixture{experts,
                  GateUpDown("mlp.experts.#."),
                  config.IntOr("moe_intermediate_size", absent.inner),
                  {}};
  mixture.shared = GateUpDown("mlp.shared_experts.");
  mixture.shared_inner = mixture.inner * config.IntOr("n_shared_experts", absent.shared);
  const std::int64_t dense = config.AnyIntOr("first_k_dense_replace", absent.dense);
  for (std::int64_t i = 0; i < std::min(dense, d.layers); ++i) mixture.dense.insert(i);
  return mixture;
}

void StackExperts(Mixture* mixture) {
  mixture->names = {"mlp.experts.gate_up_proj.#", "mlp.experts.down_proj.#"};
  mixture->stack = "";
}

std::vector<std::string> GateUpDown(const std::string& prefix) {
  return {prefix + "gate_proj", prefix + "up_proj", prefix + "down_proj"};
}

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

void ReadMlpTypes(const ConfigReader& config, const ModelDescription& d, Mixture* mixture) {
  const char* key = "mlp_layer_types";
  if (!config.Has(key)) return;
  const auto& types = config.root().at(key);
  if (!types.is_array() || static_cast<std::int64_t>(types.size()) != d.layers) {
    config.Fail(std::string(key) + ": expected an array of " + std::to_string(d.layers) +
                " entries");
  }
  mixture->dense.clear();
  for (std::int64_t i = 0; i < d.layers; ++i) {
    const auto& type = types.at(static_cast<std::size_t>(i));
    if (type == "dense") mixture->dense.insert(i);
    if (type == "dense" || type == "sparse") continue;
    config.Fail(std::string(key) + ": unknown value " + type.dump() + " (known: dense, sparse)");
  }
}

void LayMixture(const ConfigReader& config, const Mixture& mixture, ModelDescription* d) {
  CheckExperts(config, mixture.experts);
  d->block_plan = With(MixtureBlock, mixture);
  d->ends_plan = LlamaEnds;
}

}  // namespace roundlab
