#include "eval/likelihood.h"

#include <cmath>
#include <utility>

#include "core/base/error.h"
#include "core/base/statistics.h"

namespace roundlab {
namespace {

using Groups = ContinuationScoring::Groups;
using Scores = ContinuationScoring::Scores;

void AddGroup(std::size_t index, const std::vector<Continuation>& group, ContinuationPack* pack) {
  for (std::size_t i = 0; i < group.size(); ++i) {
    const std::vector<std::int32_t>& ids = group[i].ids;
    const auto scored = static_cast<std::size_t>(group[i].scored);
    ROUNDLAB_CHECK(0 < scored && scored < ids.size(),
                   "a continuation needs a token before the scored ones");
    // The model reads all tokens but the last.
    const auto rows = pack->tokens.Add({ids.begin(), ids.end() - 1});
    for (std::size_t t = ids.size() - scored; t < ids.size(); ++t) {
      pack->queries.push_back({rows[t - 1], ids[t]});
      pack->owners.push_back({index, i, static_cast<std::int64_t>(t)});
    }
  }
  ++pack->groups;
}

std::vector<ContinuationPack> MakePacks(const Groups& groups, std::int64_t pack_tokens) {
  std::vector<ContinuationPack> packs;
  bool open = false;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].empty()) continue;
    if (!open) packs.emplace_back();
    AddGroup(i, groups[i], &packs.back());
    open = packs.back().tokens.rows() < pack_tokens;
  }
  return packs;
}

/// Adds up what a pack's tokens score.
void AddScores(const ContinuationPack& pack, const ScorerStates& states, const LogitHead& head,
               const LikelihoodOptions& options, Scores* all) {
  const std::vector<TokenScore> scores = ScoreTokens(states.hidden, head, pack.queries);
  bool finite = true;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const ContinuationPack::Owner& owner = pack.owners[i];
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
  for (const ContinuationPack::Owner& owner : pack.owners) {
    ContinuationScore& sum = (*all)[owner.group][owner.place];
    if (std::isfinite(sum.loglik) && options.bad) {
      options.bad({owner.group, owner.place, -1, kUndefined, states.not_finite});
    }
    sum.loglik = kUndefined;
  }
}

}  // namespace

ContinuationScoring::ContinuationScoring(const Scorer& model, const Groups& groups,
                                         LikelihoodOptions options)
    : model_(model), options_(std::move(options)), packs_(MakePacks(groups, options_.pack_tokens)) {
  for (const auto& group : groups) scores_.emplace_back(group.size(), ContinuationScore{0, true});
}

std::vector<ScorerInput> ContinuationScoring::Inputs() {
  std::vector<ScorerInput> inputs;
  inputs.reserve(packs_.size());
  for (ContinuationPack& pack : packs_) inputs.emplace_back(std::move(pack.tokens));
  return inputs;
}

void ContinuationScoring::Take(std::size_t i, const ScorerStates& states) {
  AddScores(packs_[i], states, model_.head(), options_, &scores_);
  if (options_.done) options_.done(packs_[i].groups);
}

}  // namespace roundlab
