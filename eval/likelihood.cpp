#include "eval/likelihood.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/kernels/token_nll.h"

namespace roundlab {
namespace {

using Groups = std::vector<std::vector<Continuation>>;
using Scores = std::vector<std::vector<ContinuationScore>>;

/// Groups of one forward pass, and whose each asked token is.
class Pack {
 public:
  std::int64_t rows() const { return tokens_.rows(); }
  std::int64_t groups() const { return groups_; }

  void Add(const std::vector<Continuation>& group, std::vector<ContinuationScore>* scores) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      const std::vector<std::int32_t>& ids = group[i].ids;
      const auto scored = static_cast<std::size_t>(group[i].scored);
      ROUNDLAB_CHECK(0 < scored && scored < ids.size(),
                     "a continuation needs a token before the scored ones");
      // The model reads all tokens but the last.
      const auto rows = tokens_.Add({ids.begin(), ids.end() - 1});
      for (std::size_t t = ids.size() - scored; t < ids.size(); ++t) {
        queries_.push_back({rows[t - 1], ids[t]});
        owners_.push_back(&(*scores)[i]);
      }
      (*scores)[i].greedy = true;
    }
    ++groups_;
  }

  void Score(const LanguageModel& model) const {
    const at::NoGradGuard no_grad;
    const at::Tensor hidden = model.Hidden(tokens_);
    const std::vector<TokenScore> scores = ScoreTokens(hidden, model.ends().head(), queries_);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      owners_[i]->loglik -= scores[i].nll;
      owners_[i]->greedy = owners_[i]->greedy && scores[i].top;
    }
  }

 private:
  PackedTokens tokens_;
  std::vector<TokenQuery> queries_;
  std::vector<ContinuationScore*> owners_;
  std::int64_t groups_ = 0;
};

}  // namespace

Scores ScoreContinuations(const LanguageModel& model, const Groups& groups,
                          const LikelihoodOptions& options) {
  Scores scores;
  for (const auto& group : groups) scores.emplace_back(group.size());
  Pack pack;
  const auto flush = [&] {
    if (pack.groups() == 0) return;
    CheckInterrupt();
    pack.Score(model);
    if (options.done) options.done(pack.groups());
    pack = Pack();
  };
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].empty()) continue;
    pack.Add(groups[i], &scores[i]);
    if (pack.rows() >= options.pack_tokens) flush();
  }
  flush();
  return scores;
}

}  // namespace roundlab
