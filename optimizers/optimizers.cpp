#include "optimizers/optimizers.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>
#include <torch/serialize/archive.h>

#include <iterator>
#include <memory>
#include <sstream>
#include <string>

#include "optimizers/group_options.h"

namespace roundlab {
namespace {

/// Of one parameter of so many numbers, after a step, with a gradient for the next.
std::unique_ptr<torch::optim::Optimizer> InUse(const OptimizerRecipe& recipe,
                                               std::int64_t numbers) {
  const at::Tensor parameter = at::zeros({numbers});
  auto optimizer = recipe.make({{{parameter}}});
  auto* voter = dynamic_cast<MicroBatchVoter*>(optimizer.get());
  for (const bool last : {false, true}) {
    parameter.mutable_grad() = at::ones({numbers});
    if (voter != nullptr && voter->Votes()) voter->Vote();
    if (!last) optimizer->step();
  }
  return optimizer;
}

/// What its save writes.
std::string SavedState(const torch::optim::Optimizer& optimizer) {
  torch::serialize::OutputArchive archive;
  optimizer.save(archive);
  std::ostringstream bytes;
  archive.save_to(bytes);
  return bytes.str();
}

}  // namespace

bool IsPlainSignDescent(const torch::optim::Optimizer& optimizer) {
  const auto* descent = dynamic_cast<const SignDescent*>(&optimizer);
  return descent != nullptr && descent->Plain();
}

std::int64_t StateNumbers(const OptimizerRecipe& recipe) {
  constexpr std::int64_t kNumbers = 65536;  // far more than what a file has besides
  const auto optimizer = InUse(recipe, kNumbers);
  return std::ssize(SavedState(*optimizer)) / (kNumbers * static_cast<std::int64_t>(sizeof(float)));
}

bool SavesState(const OptimizerRecipe& recipe) {
  const auto optimizer = InUse(recipe, 1);
  if (optimizer->state().empty()) return true;
  std::istringstream bytes(SavedState(*optimizer));
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
