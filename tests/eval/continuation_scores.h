#pragma once

#include "eval/likelihood.h"

namespace roundlab::testing {

/// All groups, through the model.
inline ContinuationScoring::Scores ScoresOf(const LanguageModel& model,
                                            const ContinuationScoring::Groups& groups,
                                            const LikelihoodOptions& options) {
  const MemoryScorer scorer(model);
  ContinuationScoring scoring(scorer, groups, options);
  scorer.Run(scoring.Inputs(),
             [&](std::size_t i, const ScorerStates& states) { scoring.Take(i, states); });
  return scoring.scores();
}

}  // namespace roundlab::testing
