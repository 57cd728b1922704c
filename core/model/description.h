#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/model/plan.h"

namespace roundlab {

enum class RopeType { kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongRope, kProportional };

/// Rotary position embedding.
struct RopeDescription {
  RopeType type = RopeType::kDefault;
  double theta = 10000;
  double factor = 1;                 ///< linear, dynamic, llama3, yarn, proportional
  double share = 1;                  ///< proportional: of the dimensions that turn at all
  double low_freq_factor = 1;        ///< llama3
  double high_freq_factor = 4;       ///< llama3
  double original_positions = 0;     ///< context length before it was stretched
  double attention_factor = 1;       ///< yarn, longrope: of cos and sin
  double beta_fast = 32;             ///< yarn
  double beta_slow = 1;              ///< yarn
  bool truncate = true;              ///< yarn: bounds of the blend are whole numbers
  std::vector<float> short_factors;  ///< longrope, [rotary_dim / 2]
  std::vector<float> long_factors;   ///< longrope, where a text is longer than original_positions
  /// Frequency k is divided by divisors[k] (GGUF's rope_freqs.weight), or all by the only one.
  std::vector<float> divisors;
};

/// Queries of position p are multiplied by 1 + strength ln(1 + floor((p + shift) / positions)), so
/// that attention is no flatter where it sees many keys (arXiv 2501.19399).
struct TemperDescription {
  double strength = 0.1;
  double positions = 8192;
  double shift = 0;
};

/// How names in a checkpoint differ from the plans'.
struct CheckpointNames {
  /// What a stored name may begin with -> what the plans have for it.
  std::vector<std::pair<std::string, std::string>> prefixes;
  /// What may be in a stored name -> what the plans have for it, ".a_norm." -> ".b_norm.".
  std::vector<std::pair<std::string, std::string>> middles = {};
  /// What names begin with that are of parts beside the language model.
  std::vector<std::string> other_parts;
  bool complete = false;  ///< every tensor must have its place in the model
};

/// Everything that tells one decoder from another. A family is a way to read this from a file and
/// to lay out a block and the ends, not a class: there is one forward pass.
struct ModelDescription {
  std::string family;  ///< config.json's model_type
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab = 0;
  std::int64_t max_positions = 0;
  double norm_eps = 1e-6;
  RopeDescription rope;
  std::int64_t rotary_dim = 0;                ///< dimensions of a head that turn; 0: all
  std::optional<RopeDescription> local_rope;  ///< of blocks whose AttentionPlan::rope is 1
  std::optional<TemperDescription> temper;    ///< of blocks whose AttentionPlan::tempered is true
  std::vector<std::int64_t> windows;  ///< a layer: keys a query sees, its own counted; 0 all
  bool qkv_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;  ///< RMSNorm over each head of q and k before rotary
  Activation activation = Activation::kSilu;
  bool tied_head = false;  ///< the head is the embedding
  std::optional<std::int32_t> bos_id;
  std::optional<std::int32_t> eos_id;

  CheckpointNames naming;

  /// How the family lays out block `block`, and the ends. They read sizes from the description they
  /// are given, so that one whose sizes were changed is laid out anew.
  std::function<BlockPlan(const ModelDescription&, std::int64_t block)> block_plan;
  /// Where block_plan has experts stacked, the same of a file that has them one by one; else null.
  std::function<BlockPlan(const ModelDescription&, std::int64_t block)> apart_plan;
  std::function<EndsPlan(const ModelDescription&)> ends_plan;

  BlockPlan Plan(std::int64_t block) const;
  /// Of the first block with rotary positions (some models have blocks without), of this table
  /// where one is given, else of the first.
  BlockPlan RotaryPlan(std::optional<std::size_t> table = {}) const;
  EndsPlan Ends() const;
  /// Names of a block's linear layers, in the order of DecoderBlock::Linears().
  std::vector<std::string> LinearNames(std::int64_t block) const;
  /// Their shapes [out, in], in the same order.
  std::vector<std::vector<std::int64_t>> LinearShapes(std::int64_t block) const;
  /// Weights of the linear layers in all blocks.
  std::int64_t LinearWeights() const;
  /// All weights: embeddings, blocks with their biases, norms and routers, head (once where tied).
  std::int64_t TotalWeights() const;
};

}  // namespace roundlab
