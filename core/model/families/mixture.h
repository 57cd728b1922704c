#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/model/config_reader.h"
#include "core/model/description.h"
#include "core/model/plan_builder.h"

namespace roundlab {

// Attention as llama's, MLPs of experts with a router. The router stays in full precision.

struct Mixture {
  ExpertsPlan experts;
  std::vector<std::string> names;        ///< of gate, up and down, # for the expert
  std::int64_t inner;                    ///< an expert's width; 0: intermediate
  std::set<std::int64_t> dense;          ///< blocks without experts
  std::vector<std::string> shared = {};  ///< names of the shared expert, where there is one
  std::int64_t shared_inner = 0;
  /// Suffix of stacked experts, see PlanBuilder; without one they lie apart.
  std::optional<std::string> stack = {};
};

/// gate_proj, up_proj and down_proj, with this in front.
std::vector<std::string> GateUpDown(const std::string& prefix);
/// Experts lie in mlp.experts.gate_up_proj and mlp.experts.down_proj.
void StackExperts(Mixture* mixture);
/// num_experts or num_local_experts: either is found in files of either family.
std::int64_t ExpertCount(const ConfigReader& config, std::int64_t absent);
/// Throws Error where a token is sent to more experts than there are.
void CheckExperts(const ConfigReader& config, const ExpertsPlan& experts);
/// Blocks that mlp_only_layers names, or that decoder_sparse_step leaves out.
std::set<std::int64_t> DenseBlocks(const ConfigReader& config, std::int64_t layers);
/// DeepSeek-V3's: scored by sigmoid, chosen with mlp.gate.e_score_correction_bias.
ExpertsPlan CorrectedExperts(std::int64_t count, std::int64_t used);
/// What a family has where config.json is silent.
struct GroupedMixture {
  ExpertsPlan experts;
  std::int64_t inner = 1408;
  std::int64_t shared = 1;  ///< experts' widths that the shared one has
  std::int64_t dense = 0;   ///< blocks at the beginning
  bool grouped = true;      ///< whether n_group and topk_group are read
};
/// DeepSeek's experts, as GLM's and dots': n_routed_experts of moe_intermediate_size, of which each
/// token uses num_experts_per_tok in topk_group of n_group groups, and n_shared_experts beside
/// them, in blocks from first_k_dense_replace on. Throws Error where these contradict one another.
Mixture ReadGroupedMixture(const ConfigReader& config, const ModelDescription& d,
                           const GroupedMixture& absent);
/// mlp_layer_types, "dense" or "sparse" for each block, where config.json has it.
void ReadMlpTypes(const ConfigReader& config, const ModelDescription& d, Mixture* mixture);
/// Adds the block's MLP: experts, or what llama has where the block is dense.
void AddMlp(const Mixture& mixture, const ModelDescription& d, std::int64_t block, PlanBuilder* b,
            const char* norm = "post_attention_layernorm");
/// Lays out blocks and ends. Throws Error where a token is sent to more experts than there are.
void LayMixture(const ConfigReader& config, const Mixture& mixture, ModelDescription* d);

}  // namespace roundlab
