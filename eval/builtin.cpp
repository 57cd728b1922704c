#include "eval/evaluator.h"
#include "eval/perplexity.h"

namespace roundlab {

const EvaluatorRegistry& Evaluators() {
  static const EvaluatorRegistry registry = [] {
    EvaluatorRegistry r("evaluator");
    r.Add<Perplexity>("perplexity", "exp of the mean negative log-likelihood of a text's tokens");
    return r;
  }();
  return registry;
}

}  // namespace roundlab
