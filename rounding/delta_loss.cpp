#include "rounding/delta_loss.h"

#include <ATen/ATen.h>

#include <map>

namespace roundlab {

Sensitivities DeltaLoss(const GradientProblem& problem, Log* log) {
  Sensitivities result;
  std::map<std::string, std::size_t> places;
  GradientProblem watched = problem;
  watched.weight = [&](const LinearSlot& slot) {
    at::Tensor rounded = problem.weight(slot);
    if (!rounded.defined()) return rounded;
    places[slot.name] = result.layers.size();
    result.layers.push_back({slot.name});
    return rounded;
  };
  const auto see = [&](const LinearSlot& slot, const at::Tensor& gradient) {
    const auto place = places.find(slot.name);
    if (place == places.end()) return;
    const at::Tensor change = slot.weight - slot.effective;
    result.layers[place->second].score += (gradient * change).abs().sum(at::kDouble).item<double>();
  };
  const auto see_inputs = [&](const LinearSlot& slot, const at::Tensor& change,
                              const at::Tensor& gradient) {
    const auto place = places.find(slot.name);
    if (place == places.end()) return;
    result.layers[place->second].input_score +=
        (gradient * change).abs().sum(at::kDouble).item<double>();
  };
  result.loss =
      VisitGradients(watched, see, log, problem.quantizer ? SeeInputs(see_inputs) : SeeInputs());
  return result;
}

}  // namespace roundlab
