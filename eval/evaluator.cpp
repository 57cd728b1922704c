#include "eval/evaluator.h"

namespace roundlab {

std::vector<std::string> FullNames(const EvalResult& result) {
  std::vector<std::string> names;
  for (const auto& [metric, value] : result.metrics) names.push_back(result.name + "/" + metric);
  return names;
}

}  // namespace roundlab
