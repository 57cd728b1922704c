#include "eval/divergence.h"
#include "eval/evaluator.h"
#include "eval/perplexity.h"
#include "eval/zero_shot.h"

namespace roundlab {

EvaluatorRegistry& Evaluators() {
  static EvaluatorRegistry registry = [] {
    EvaluatorRegistry r("evaluator");
    r.Add<Divergence>("divergence",
                      "how far the next-token distributions are from the unquantized model's");
    r.Add<Perplexity>("perplexity", "exp of the mean negative log-likelihood of a text's tokens");
    r.Add<ZeroShot>("zero_shot", "accuracy on multiple choice and last-word tasks");
    return r;
  }();
  return registry;
}

}  // namespace roundlab
