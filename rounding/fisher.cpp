#include "rounding/fisher.h"

#include <ATen/ATen.h>

namespace roundlab {

FisherDiagonal DiagonalFisher(const GradientProblem& problem,
                              const std::function<bool(const LinearSlot&)>& wanted, Log* log) {
  FisherDiagonal fisher;
  GradientProblem watched = problem;
  watched.weight = [&](const LinearSlot& slot) {
    if (wanted(slot)) fisher[slot.name] = at::zeros_like(slot.weight);
    return problem.weight ? problem.weight(slot) : at::Tensor();
  };
  const auto see = [&](const LinearSlot& slot, const at::Tensor& gradient) {
    const auto found = fisher.find(slot.name);
    if (found != fisher.end()) found->second.addcmul_(gradient, gradient);
  };
  VisitGradients(watched, see, log);
  return fisher;
}

}  // namespace roundlab
