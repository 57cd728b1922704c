#include "eval/evaluator.h"

#include <iterator>
#include <utility>

namespace roundlab {
namespace {

std::vector<EvalResult> Measure(const Scorer& model, Evaluation* evaluation) {
  model.Run(evaluation->Inputs(), [evaluation](std::size_t i, const ScorerStates& states) {
    evaluation->Take(i, states);
  });
  return evaluation->Finish();
}

}  // namespace

std::vector<ScorerInput> JointEvaluation::Inputs() {
  std::vector<ScorerInput> inputs;
  for (const auto& part : parts_) {
    std::vector<ScorerInput> own = part->Inputs();
    std::move(own.begin(), own.end(), std::back_inserter(inputs));
    ends_.push_back(inputs.size());
  }
  return inputs;
}

void JointEvaluation::Take(std::size_t i, const ScorerStates& states) {
  FinishThrough(i);
  const std::size_t first = next_ == 0 ? 0 : ends_[next_ - 1];
  parts_[next_]->Take(i - first, states);
}

std::vector<EvalResult> JointEvaluation::Finish() {
  FinishThrough(ends_.empty() ? 0 : ends_.back());
  return std::move(results_);
}

void JointEvaluation::FinishThrough(std::size_t input) {
  for (; next_ < parts_.size() && ends_[next_] <= input; ++next_) {
    std::vector<EvalResult> own = parts_[next_]->Finish();
    parts_[next_].reset();
    std::move(own.begin(), own.end(), std::back_inserter(results_));
  }
}

std::vector<std::string> FullNames(const EvalResult& result) {
  std::vector<std::string> names;
  for (const auto& [metric, value] : result.metrics) names.push_back(result.name + "/" + metric);
  return names;
}

std::vector<EvalResult> Evaluator::Evaluate(const EvalContext& context) const {
  return Measure(*context.model, Begin(context).get());
}

std::vector<EvalResult> EvaluateTogether(const std::vector<std::unique_ptr<Evaluator>>& evaluators,
                                         const EvalContext& context) {
  std::vector<std::unique_ptr<Evaluation>> parts;
  for (const auto& evaluator : evaluators) parts.push_back(evaluator->Begin(context));
  JointEvaluation all(std::move(parts));
  return Measure(*context.model, &all);
}

}  // namespace roundlab
