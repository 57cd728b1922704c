#include "eval/likelihood.h"

#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/base/statistics.h"

namespace roundlab {
namespace {

using Groups = ContinuationScoring::Groups;
using Scores = ContinuationScoring::Scores;

/// Tokens up to which texts of any length see the same rotary angles.
std::int64_t SharedAngles(const RopeDescription& rope) {
  const bool by_length = rope.type == RopeType::kLongRope || rope.type == RopeType::kDynamic;
  return by_length ? static_cast<std::int64_t>(rope.original_positions)
                   : std::numeric_limits<std::int64_t>::max();
}

/// Packs being filled: one that is open, and those of texts that go alone.
class Packer {
 public:
  Packer(std::int64_t rows, std::int64_t shared_angles)
      : rows_(rows), shared_angles_(shared_angles) {}

  void Add(std::size_t index, const std::vector<Continuation>& group) {
    if (group.empty()) return;
    std::size_t last = 0;
    for (std::size_t i = 0; i < group.size(); ++i) {
      last = PackFor(group[i]);
      AddTo(&packs_[last], index, i, group[i]);
    }
    ++packs_[last].groups;
    if (open_ && packs_[*open_].tokens.rows() >= rows_) open_.reset();
  }
  std::vector<ContinuationPack> Take() { return std::move(packs_); }

 private:
  std::size_t PackFor(const Continuation& text) {
    const bool alone = static_cast<std::int64_t>(text.ids.size()) - 1 > shared_angles_;
    if (!alone && open_) return *open_;
    packs_.emplace_back();
    if (!alone) open_ = packs_.size() - 1;
    return packs_.size() - 1;
  }

  static void AddTo(ContinuationPack* pack, std::size_t index, std::size_t i,
                    const Continuation& text) {
    const std::vector<std::int32_t>& ids = text.ids;
    const auto scored = static_cast<std::size_t>(text.scored);
    ROUNDLAB_CHECK(0 < scored && scored < ids.size(),
                   "a continuation needs a token before the scored ones");
    // The model reads all tokens but the last.
    const auto rows = pack->tokens.Add({ids.begin(), ids.end() - 1});
    for (std::size_t t = ids.size() - scored; t < ids.size(); ++t) {
      pack->queries.push_back({rows[t - 1], ids[t]});
      pack->owners.push_back({index, i, static_cast<std::int64_t>(t)});
    }
  }

  const std::int64_t rows_;
  const std::int64_t shared_angles_;
  std::vector<ContinuationPack> packs_;
  std::optional<std::size_t> open_;
};

std::vector<ContinuationPack> MakePacks(const Groups& groups, std::int64_t rows,
                                        const RopeDescription& rope) {
  Packer packer(rows, SharedAngles(rope));
  for (std::size_t i = 0; i < groups.size(); ++i) packer.Add(i, groups[i]);
  return packer.Take();
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
    : model_(model),
      options_(std::move(options)),
      packs_(MakePacks(groups, options_.pack_tokens, model.description().rope)) {
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
