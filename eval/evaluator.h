#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/base/log.h"
#include "core/config/registry.h"
#include "core/metrics/metric_sink.h"
#include "core/model/model.h"
#include "core/text/tokenizer.h"

namespace roundlab {

/// What an evaluator measures with. The model is a model: how its weights came about can't be seen.
struct EvalContext {
  const LanguageModel* model = nullptr;
  const Tokenizer* tokenizer = nullptr;
  MetricSink* sink = nullptr;  ///< gets per-document arrays under eval/<name>/
  Log* log = nullptr;
};

struct EvalResult {
  std::map<std::string, double> metrics;          ///< "perplexity" -> 20.11
  std::map<std::string, std::string> provenance;  ///< "tokens_sha256" -> ...
};

/// Measures a model as it is.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual std::string Name() const = 0;  ///< its place in metrics: <name>/<metric>
  virtual EvalResult Evaluate(const EvalContext& context) const = 0;
};

using EvaluatorRegistry = Registry<Evaluator>;
using EvaluatorRecipe = Recipe<Evaluator>;

/// perplexity.
const EvaluatorRegistry& Evaluators();

}  // namespace roundlab
