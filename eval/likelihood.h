#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/model/model.h"

namespace roundlab {

/// A token sequence of which the last `scored` tokens are judged, each given all before it.
struct Continuation {
  std::vector<std::int32_t> ids;  ///< at least scored + 1
  std::int64_t scored = 0;        ///< at least 1
};

struct ContinuationScore {
  double loglik = 0;    ///< sum over the scored tokens, nats
  bool greedy = false;  ///< each scored token is the likeliest one
};

struct LikelihoodOptions {
  std::int64_t pack_tokens = 4096;                ///< rows a forward pass takes, at least one group
  std::function<void(std::int64_t groups)> done;  ///< after each pass, where set
};

/// Scores groups of continuations. Groups are packed one after the other, without padding; what
/// continuations of a pack have in common at their start goes through the model once; logits are
/// made for scored positions only. A score does not depend on what else is scored.
std::vector<std::vector<ContinuationScore>> ScoreContinuations(
    const LanguageModel& model, const std::vector<std::vector<Continuation>>& groups,
    const LikelihoodOptions& options);

}  // namespace roundlab
