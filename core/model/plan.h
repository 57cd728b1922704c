#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/model/attention_plan.h"
#include "core/model/layer_plan.h"
#include "core/model/mixer_plan.h"
#include "core/model/mlp_plan.h"
#include "core/model/norm_plan.h"

namespace roundlab {

/// "model.layers.3.": what names of a block begin with in most families.
std::string LayerPrefix(std::int64_t block);

struct BranchScales {
  double attention = 1;
  double mixer = 1;
  double mlp = 1;
};

/// All that tells one decoder block from another. There is one forward pass (DecoderBlock):
///   a = x + on_attention(attention(before_attention(x))),  a = after_attention(a)
///   y = a + on_mlp(mlp(before_mlp(a))),                    y = after_mlp(y)
/// each norm where the plan has it; parallel: y = x + attention(before_attention(x)) +
/// mlp(before_mlp(x)), of one norm's output where there is but one. What a branch gives is
/// multiplied by its scale before it is added.
struct BlockPlan {
  std::vector<LinearPlan> linears;  ///< in the order in which they run
  std::vector<NormPlan> norms;
  bool parallel = false;
  bool residual_of_norm = false;  ///< what is added to is the norm's output (Bloom)
  BranchScales scales;
  AttentionPlan attention;
  std::optional<MixerPlan> mixer = {};  ///< in attention's place, or beside it
  MlpPlan mlp;
  /// Name in the checkpoint of one number, [1], that the block's output is multiplied by; empty: 1.
  std::string output_factor = {};

  // What a block has is told by its layers. One of a single branch lacks the others (Nemotron-H).
  bool HasAttention() const { return Has(LinearRole::kAttentionOutput); }
  bool HasMlp() const { return Has(LinearRole::kDown); }

  /// Values are rows of keys, before their norm and rotary positions (Gemma 4).
  bool KeysAreValues() const { return Has(LinearRole::kKey) && !Has(LinearRole::kValue); }
  /// Whether values are among what a layer of this role gives.
  bool MakesValues(LinearRole role) const;
  /// Experts and their router read the residual stream by norms of their own, and what they give is
  /// added to what the MLP gives: see NormPlace::kBeforeExperts.
  bool ExpertsAside() const { return Norm(NormPlace::kBeforeExperts) != nullptr; }

  const NormPlan* Norm(NormPlace place) const;  ///< null where there is none
  /// Part of all tokens that a layer sees: of an expert those that are sent to it, were they even.
  double TokenShare(const LinearPlan& linear) const;
  /// One more than the largest LinearPlan::input.
  std::size_t InputCount() const;
  double LinearWeights() const;
  /// Weights of the largest linear layer.
  double LargestLinear() const;

 private:
  bool Has(LinearRole role) const;
};

/// What is before the first block and after the last. Names as in the checkpoint without
/// ".weight", empty where there is none.
struct EndsPlan {
  std::string embedding = "model.embed_tokens";
  std::int64_t embedding_width = 0;  ///< hidden where 0; else there are projections
  std::int64_t further_rows = 0;     ///< of the stored embedding behind the vocabulary's; not read
  double embedding_scale = 1;
  std::string positions;  ///< learned: row position + position_offset is added
  std::int64_t position_rows = 0;
  std::int64_t position_offset = 0;
  bool sinusoidal = false;  ///< positions are not learned: sin and cos of them, see ModelEnds
  std::string project_in;   ///< [hidden, embedding_width], no bias
  std::string project_out;  ///< [embedding_width, hidden], after the final norm
  std::optional<NormPlan> embedding_norm;
  std::optional<NormPlan> final_norm;
  std::string head = "lm_head";  ///< not read where it is tied
  bool head_bias = false;
  bool unit_head = false;     ///< rows of the head are divided by their Euclidean norms
  double logit_scale = 1;     ///< logits are multiplied by it
  double logit_soft_cap = 0;  ///< c: logits become c tanh(logit / c); 0 none

  /// "model." of "model.embed_tokens": what a model without head leaves out of names.
  std::string BasePrefix() const;
};

}  // namespace roundlab
