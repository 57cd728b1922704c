#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/kernels/token_nll.h"
#include "core/model/packed_tokens.h"
#include "eval/scorer.h"

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

/// What is not finite of a continuation: its first such token, or hidden states of its pack only.
struct BadContinuation {
  std::size_t group = 0;
  std::size_t place = 0;    ///< in the group
  std::int64_t token = -1;  ///< place among the continuation's ids; -1: only states
  double loglik = 0;
  std::string states;  ///< ScorerStates::not_finite
};

struct LikelihoodOptions {
  std::int64_t pack_tokens = 4096;                ///< rows a forward pass takes, at least one group
  std::function<void(std::int64_t groups)> done;  ///< after each pass, where set
  std::function<void(const BadContinuation&)> bad = {};  ///< may throw, where set
};

/// Groups of continuations in one forward pass.
struct ContinuationPack {
  /// A continuation whose token is asked for.
  struct Owner {
    std::size_t group;
    std::size_t place;
    std::int64_t token;
  };
  PackedTokens tokens;  ///< until they are asked for
  std::vector<TokenQuery> queries;
  std::vector<Owner> owners;  ///< of each query
  std::int64_t groups = 0;
};

/// Scores groups of continuations. Groups are packed one after the other, without padding; what
/// continuations of a pack have in common at their start goes through the model once; logits are
/// made for scored positions only. A score does not depend on what else is scored: a text beyond
/// the length up to which rotary angles are the same for all (LongRoPE, dynamic) goes alone. Where
/// hidden states of a pack are not finite although its likelihoods are, they all are NaN.
class ContinuationScoring {
 public:
  using Groups = std::vector<std::vector<Continuation>>;
  using Scores = std::vector<std::vector<ContinuationScore>>;
  /// The model must outlive it.
  ContinuationScoring(const Scorer& model, const Groups& groups, LikelihoodOptions options);
  /// For the model, each a pack. To be asked for once.
  std::vector<ScorerInput> Inputs();
  /// What the model made of Inputs()[i].
  void Take(std::size_t i, const ScorerStates& states);
  const Scores& scores() const { return scores_; }  ///< of each group's continuations

 private:
  const Scorer& model_;
  const LikelihoodOptions options_;
  std::vector<ContinuationPack> packs_;
  Scores scores_;
};

}  // namespace roundlab
