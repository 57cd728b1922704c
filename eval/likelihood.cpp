#include "eval/likelihood.h"

#include <cmath>

#include "core/base/error.h"
#include "core/base/statistics.h"
#include "core/kernels/token_nll.h"

namespace roundlab {
namespace {

using Groups = std::vector<std::vector<Continuation>>;
using Scores = std::vector<std::vector<ContinuationScore>>;

/// A continuation whose tokens are asked for.
struct Owner {
  std::size_t group;
  std::size_t place;
  std::int64_t token;
};

/// Groups of one forward pass, and whose each asked token is.
struct Pack {
  PackedTokens tokens;
  std::vector<TokenQuery> queries;
  std::vector<Owner> owners;
  std::int64_t groups = 0;

  void Add(std::size_t index, const std::vector<Continuation>& group) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      const std::vector<std::int32_t>& ids = group[i].ids;
      const auto scored = static_cast<std::size_t>(group[i].scored);
      ROUNDLAB_CHECK(0 < scored && scored < ids.size(),
                     "a continuation needs a token before the scored ones");
      // The model reads all tokens but the last.
      const auto rows = tokens.Add({ids.begin(), ids.end() - 1});
      for (std::size_t t = ids.size() - scored; t < ids.size(); ++t) {
        queries.push_back({rows[t - 1], ids[t]});
        owners.push_back({index, i, static_cast<std::int64_t>(t)});
      }
    }
    ++groups;
  }
};

std::vector<Pack> MakePacks(const Groups& groups, std::int64_t pack_tokens) {
  std::vector<Pack> packs;
  bool open = false;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].empty()) continue;
    if (!open) packs.emplace_back();
    packs.back().Add(i, groups[i]);
    open = packs.back().tokens.rows() < pack_tokens;
  }
  return packs;
}

/// Adds up what a pack's tokens score.
void AddScores(const Pack& pack, const ScorerStates& states, const LogitHead& head,
               const LikelihoodOptions& options, Scores* all) {
  const std::vector<TokenScore> scores = ScoreTokens(states.hidden, head, pack.queries);
  bool finite = true;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const Owner& owner = pack.owners[i];
    ContinuationScore& sum = (*all)[owner.group][owner.place];
    const double loglik = -scores[i].nll;
    if (!std::isfinite(loglik) && std::isfinite(sum.loglik) && options.bad) {
      options.bad({owner.group, owner.place, owner.token, loglik, states.not_finite});
    }
    finite = finite && std::isfinite(loglik);
    sum.loglik += loglik;
    sum.greedy = sum.greedy && scores[i].top;
  }
  if (!finite || states.not_finite.empty()) return;
  for (const Owner& owner : pack.owners) {
    ContinuationScore& sum = (*all)[owner.group][owner.place];
    if (std::isfinite(sum.loglik) && options.bad) {
      options.bad({owner.group, owner.place, -1, kUndefined, states.not_finite});
    }
    sum.loglik = kUndefined;
  }
}

}  // namespace

Scores ScoreContinuations(const Scorer& model, const Groups& groups,
                          const LikelihoodOptions& options) {
  Scores scores;
  for (const auto& group : groups) scores.emplace_back(group.size(), ContinuationScore{0, true});
  const std::vector<Pack> packs = MakePacks(groups, options.pack_tokens);
  std::vector<ScorerInput> inputs;
  inputs.reserve(packs.size());
  for (const Pack& pack : packs) inputs.emplace_back(pack.tokens);
  model.Run(inputs, [&](std::size_t i, const ScorerStates& states) {
    AddScores(packs[i], states, model.head(), options, &scores);
    if (options.done) options.done(packs[i].groups);
  });
  return scores;
}

}  // namespace roundlab
