#include "eval/divergence.h"
#include "eval/evaluator.h"
#include "eval/perplexity.h"
#include "eval/zero_shot.h"

namespace roundlab {

const EvaluatorRegistry& Evaluators() {
  static const EvaluatorRegistry kRegistry = [] {
    EvaluatorRegistry r("evaluator");
    r.Add<Divergence>("divergence",
                      "how far the next-token distributions are from the unquantized model's");
    r.Add<Perplexity>("perplexity", "exp of the mean negative log-likelihood of a text's tokens");
    r.Add<ZeroShot>("zero_shot", "accuracy on multiple choice and last-word tasks");
    return r;
  }();
  return kRegistry;
}

}  // namespace roundlab
