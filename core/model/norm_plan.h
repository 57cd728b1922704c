#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace roundlab {

enum class NormKind {
  kRms,    ///< x / sqrt(mean(x^2) + eps) * (offset + w)
  kLayer,  ///< (x - mean) / sqrt(variance + eps) * (offset + w) + b
};

/// Where a block has a norm. Before: of what a branch reads; On: of what a branch gives, before it
/// is added; After: of the sum.
enum class NormPlace {
  kBeforeAttention,
  kOnAttention,
  kAfterAttention,
  kBeforeMlp,
  kOnMlp,
  kAfterMlp,
  kQuery,  ///< of each head of q, or of all heads at once (width tells)
  kKey,
  kValue,        ///< of each head, or of the keys' rows where they are the values
  kQueryLatent,  ///< of what kQueryDown gives
  kKeyValueLatent,
  kBeforeExperts,  ///< of the residual stream, beside kBeforeMlp: experts stand beside the MLP
  kRouter,         ///< the same, of what the router reads
  kOnSharedMlp,    ///< of what the MLP beside the experts gives, before kOnMlp
  kOnExperts,      ///< of what they give, likewise
  kMixed,  ///< of what a mixer gives: a delta rule's head by head, a state space's in its groups
};

/// Whether it is of queries, keys, values, latents or a mixer's heads: its output is no branch's
/// input or output.
bool InsideAttention(NormPlace place);

struct NormPlan {
  std::string name;  ///< in the checkpoint, without ".weight"
  NormPlace place = NormPlace::kBeforeAttention;
  NormKind kind = NormKind::kRms;
  std::int64_t width = 0;
  double eps = 1e-6;
  double offset = 0;  ///< added to the stored weight: 1 in Gemma
  bool bias = false;
  bool stored = true;  ///< else the checkpoint has no weight: the norm multiplies by 1
  /// Heads with a weight of their own, stored as NAME.norms.HEAD or, where they are stacked, as one
  /// [split, width]; the slot has them one after the other, [split width]. 0: one weight for all.
  std::int64_t split = 0;
  std::int64_t Weights() const { return width * std::max<std::int64_t>(split, 1); }
  bool stacked = false;
  std::int64_t groups = 1;  ///< so many parts of what it norms are normed by themselves; of kRms
  /// Inputs (LinearPlan::input) that are this norm's output and that nothing else reads it but
  /// through: a transform may fold factors into the norm. Empty where there are other readers.
  std::vector<std::size_t> feeds;
};

}  // namespace roundlab
