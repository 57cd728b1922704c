#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/evaluator.h"
#include "eval/finite_guard.h"
#include "eval/harness.h"

namespace roundlab {

/// Multiple choice and last-word tasks as EleutherAI's lm-evaluation-harness scores them, see
/// Harness. The prediction is the choice of the largest summed log-likelihood, of equal ones the
/// first. A result a task, named as it:
///   acc         right predictions; for `greedy` tasks, continuations each of whose tokens is the
///               likeliest. Of a task with groups: lmeval_0_3 the plain mean of the groups' (also
///               as acc_group_mean), lmeval_0_4 that over documents (also as acc_document_mean)
///   acc_norm    the same where log-likelihoods are divided by the choices' code points
///   mc2         probability of the true choices among all
///   perplexity  exp(-mean log-likelihood), of a word in lambada; its error by the delta method
///   *_stderr    sample standard deviation / sqrt(n); of a mean of groups, the groups' errors added
///   acc_pooled_stderr  of the mean over documents, from the spread within groups only, which 0.4
///               prints for a group task: sqrt(sum((n_g - 1) s_g^2) / (n - groups) / n)
///   documents, truncated (context cut on the left to fit the model), refused
/// A document on which the harness would stop with an assertion is `refused`: counted, told in the
/// log, and by option `refused` scored as wrong or left out.
/// A document of which a choice's log-likelihood is not finite has no prediction: what it would be
/// part of is NaN, also where that choice is -inf and so the least likely (no probability is 0).
/// Arrays: choice_loglik [documents, choices] (NaN where a document has fewer), prediction, gold,
/// correct, correct_norm; not_finite (1 or 0) where such a document is there.
class ZeroShot : public Evaluator {
 public:
  enum class Refused { kLeftOut, kWrong };
  struct Options {
    std::vector<std::string> tasks;
    Harness protocol = Harness::kLmEval03;
    DataSource data;
    std::int64_t documents = 0;
    bool shuffle = false;
    std::int64_t shots = 0;
    Refused refused = Refused::kLeftOut;
    std::string suffix;
    std::int64_t pack_tokens = 4096;
    OnNan on_nan = OnNan::kStop;
    void Fields(FieldVisitor& f);
  };
  explicit ZeroShot(const Options& options);
  std::vector<std::string> Names() const override;
  std::vector<std::string> MetricNames() const override;
  std::vector<std::string> Files() const override;
  void Check(const ModelDescription* model, const Tokenizer* tokenizer) const override;
  std::int64_t Tokens(const ModelDescription& model, const Tokenizer& tokenizer) const override;
  bool Packs() const override { return true; }
  std::unique_ptr<Evaluation> Begin(const EvalContext& context) const override;

 private:
  Options options_;
};

/// A document as a model gets it; 0.3's empty context stays empty here.
struct AskedDocument {
  std::string where;                  ///< file and row
  std::vector<std::string> contexts;  ///< one, or one a choice; examples and description in front
  std::vector<std::string> choices;   ///< one, or one a context; with the delimiter
  std::vector<bool> right;            ///< of each choice or context
};

struct AskedTask {
  std::string name;
  std::int64_t documents = 0;  ///< that are scored
  std::vector<AskedDocument> first;
};

/// What a task asks of its first `count` documents. Throws as LoadTask and MakeDocuments do.
AskedTask AskTask(const ZeroShot::Options& options, const std::string& task, std::int64_t count);

}  // namespace roundlab
