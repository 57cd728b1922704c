#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/content_cache.h"
#include "core/base/log.h"
#include "core/config/registry.h"
#include "core/metrics/metric_sink.h"
#include "core/text/tokenizer/tokenizer.h"
#include "eval/scorer.h"

namespace roundlab {

/// What an evaluator measures with. The model is a model: how its weights came about can't be seen.
struct EvalContext {
  const Scorer* model = nullptr;
  const Scorer* original = nullptr;  ///< the checkpoint as it is, to compare with
  const Tokenizer* tokenizer = nullptr;
  MetricSink* sink = nullptr;  ///< gets per-document arrays under eval/<name>/
  Log* log = nullptr;
  const ContentCache* cache = nullptr;  ///< of what other runs may want too; null: none
  /// All that the original's states depend on, in their last bit too; for the cache.
  std::string original_key = {};
};

struct EvalResult {
  std::string name;                               ///< its place in metrics: <name>/<metric>
  std::map<std::string, double> metrics;          ///< "perplexity" -> 20.11
  std::map<std::string, std::string> provenance;  ///< "tokens_sha256" -> ...
};

/// One measurement of a model in two steps: what is to go through the model, and what is made of
/// that. So what several evaluators want goes through together.
class Evaluation {
 public:
  virtual ~Evaluation() = default;
  /// To be asked for once, and first.
  virtual std::vector<ScorerInput> Inputs() = 0;
  /// What became of Inputs()[i]: each once, in order.
  virtual void Take(std::size_t i, const ScorerStates& states) = 0;
  /// After the last input.
  virtual std::vector<EvalResult> Finish() = 0;
};

/// Several as one: their inputs one behind the other. Each is finished, and gone, as soon as its
/// own inputs are through; results in the order of the parts.
class JointEvaluation : public Evaluation {
 public:
  explicit JointEvaluation(std::vector<std::unique_ptr<Evaluation>> parts)
      : parts_(std::move(parts)) {}
  std::vector<ScorerInput> Inputs() override;
  void Take(std::size_t i, const ScorerStates& states) override;
  std::vector<EvalResult> Finish() override;

 private:
  void FinishThrough(std::size_t input);

  std::vector<std::unique_ptr<Evaluation>> parts_;
  std::vector<std::size_t> ends_;  ///< of the parts' inputs
  std::vector<EvalResult> results_;
  std::size_t next_ = 0;  ///< the part whose turn it is
};

/// Measures a model as it is.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// Names of its results, in order.
  virtual std::vector<std::string> Names() const = 0;
  /// "<name>/<metric>" of all that it will measure. Throws Error where a task can't be read.
  virtual std::vector<std::string> MetricNames() const = 0;
  /// Finds before anything is computed what would stop Evaluate: data that are missing, broken or
  /// too few, sequences that the model can't take. Both are null where the model could not be
  /// opened: then what the data alone tell. Throws Error.
  virtual void Check(const ModelDescription* model, const Tokenizer* tokenizer) const = 0;
  /// Tokens that its forward passes take, about: for estimates. Throws as Check.
  virtual std::int64_t Tokens(const ModelDescription& model, const Tokenizer& tokenizer) const = 0;
  /// Files that its figures depend on: texts, and tasks given by path. Throws where one is missing.
  virtual std::vector<std::string> Files() const { return {}; }
  /// Whether it scores texts packed, those that begin alike sharing rows (PackedTokens).
  virtual bool Packs() const { return false; }
  /// Whether it looks at the original, too.
  virtual bool Compares() const { return false; }
  /// Both must outlive it, and all that the context points to.
  virtual std::unique_ptr<Evaluation> Begin(const EvalContext& context) const = 0;
  std::vector<EvalResult> Evaluate(const EvalContext& context) const;
};

/// What all of them measure, in order: a model's weights are read once for what they want together.
std::vector<EvalResult> EvaluateTogether(const std::vector<std::unique_ptr<Evaluator>>& evaluators,
                                         const EvalContext& context);

/// "<name>/<metric>" for each metric of a result.
std::vector<std::string> FullNames(const EvalResult& result);

using EvaluatorRegistry = Registry<Evaluator>;
using EvaluatorRecipe = Recipe<Evaluator>;

/// divergence, perplexity, zero_shot.
EvaluatorRegistry& Evaluators();

}  // namespace roundlab
