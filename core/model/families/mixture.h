#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/model/config_reader.h"
#include "core/model/description.h"
#include "core/model/plan.h"

namespace roundlab {

// Attention as llama's, MLPs of experts with a router. The router stays in full precision.

struct Mixture {
  ExpertsPlan experts;
  std::vector<std::string> names;        ///< of gate, up and down, # for the expert
  std::int64_t inner;                    ///< an expert's width; 0: intermediate
  std::set<std::int64_t> dense;          ///< blocks without experts
  std::vector<std::string> shared = {};  ///< names of the shared expert, where there is one
  std::int64_t shared_inner = 0;
  std::string stack = {};  ///< suffix of stacked experts, see PlanBuilder; empty: they lie apart
};

/// num_experts or num_local_experts: either is found in files of either family.
std::int64_t ExpertCount(const ConfigReader& config, std::int64_t absent);
/// Throws Error where a token is sent to more experts than there are.
void CheckExperts(const ConfigReader& config, const ExpertsPlan& experts);
/// Blocks that mlp_only_layers names, or that decoder_sparse_step leaves out.
std::set<std::int64_t> DenseBlocks(const ConfigReader& config, std::int64_t layers);
/// Lays out blocks and ends. Throws Error where a token is sent to more experts than there are.
void LayMixture(const ConfigReader& config, const Mixture& mixture, ModelDescription* d);

}  // namespace roundlab
