#include "optimizers/optimizers.h"

#include <string>

namespace roundlab {

std::vector<double> LearningRates(const torch::optim::Optimizer& optimizer) {
  std::vector<double> lrs;
  for (const auto& group : optimizer.param_groups()) lrs.push_back(group.options().get_lr());
  return lrs;
}

void SetLearningRates(torch::optim::Optimizer* optimizer, const std::vector<double>& base_lrs,
                      double factor) {
  auto& groups = optimizer->param_groups();
  ROUNDLAB_CHECK(base_lrs.size() == groups.size(), std::to_string(base_lrs.size()) +
                                                       " learning rates for " +
                                                       std::to_string(groups.size()) + " groups");
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i].options().set_lr(base_lrs[i] * factor);
}

}  // namespace roundlab
