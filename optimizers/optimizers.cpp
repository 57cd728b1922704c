#include "optimizers/optimizers.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>
#include <torch/serialize/archive.h>

#include <sstream>
#include <string>

#include "optimizers/group_options.h"

namespace roundlab {

bool IsPlainSignDescent(const torch::optim::Optimizer& optimizer) {
  const auto* descent = dynamic_cast<const SignDescent*>(&optimizer);
  return descent != nullptr && descent->Plain();
}

std::int64_t StateNumbers(const OptimizerRecipe& recipe) {
  constexpr std::int64_t kNumbers = 65536;  // far more than what a file has besides
  const at::Tensor parameter = at::zeros({kNumbers});
  const auto optimizer = recipe.make({{{parameter}}});
  auto* voter = dynamic_cast<MicroBatchVoter*>(optimizer.get());
  for (const bool last : {false, true}) {
    parameter.mutable_grad() = at::ones({kNumbers});
    if (voter != nullptr && voter->Votes()) voter->Vote();
    if (!last) optimizer->step();
  }
  torch::serialize::OutputArchive archive;
  optimizer->save(archive);
  std::size_t bytes = 0;
  archive.save_to([&](const void* /*data*/, std::size_t size) {
    bytes += size;
    return size;
  });
  return static_cast<std::int64_t>(bytes / (kNumbers * sizeof(float)));
}

bool SavesState(const OptimizerRecipe& recipe) {
  const at::Tensor parameter = at::zeros({1});
  const auto optimizer = recipe.make({{{parameter}}});
  parameter.mutable_grad() = at::ones({1});
  auto* voter = dynamic_cast<MicroBatchVoter*>(optimizer.get());
  if (voter != nullptr && voter->Votes()) voter->Vote();
  optimizer->step();
  if (optimizer->state().empty()) return true;
  torch::serialize::OutputArchive archive;
  optimizer->save(archive);
  std::stringstream bytes;
  archive.save_to(bytes);
  torch::serialize::InputArchive saved;
  saved.load_from(bytes);
  return !saved.keys().empty();
}

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

MicroBatchVoter* VoterOf(torch::optim::Optimizer* optimizer) {
  auto* voter = dynamic_cast<MicroBatchVoter*>(optimizer);
  return voter != nullptr && voter->Votes() ? voter : nullptr;
}

void SetWeightDecay(torch::optim::OptimizerParamGroup* group, double weight_decay) {
  torch::optim::OptimizerOptions* options = &group->options();
  if (auto* ours = dynamic_cast<GroupOptions*>(options)) ours->set_weight_decay(weight_decay);
  if (auto* adam = dynamic_cast<torch::optim::AdamOptions*>(options)) {
    adam->weight_decay(weight_decay);
  }
  if (auto* adamw = dynamic_cast<torch::optim::AdamWOptions*>(options)) {
    adamw->weight_decay(weight_decay);
  }
  if (auto* sgd = dynamic_cast<torch::optim::SGDOptions*>(options)) {
    sgd->weight_decay(weight_decay);
  }
}

}  // namespace roundlab
