#include "optimizers/lion.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/optim/serialize.h>

#include <memory>
#include <utility>

#include "optimizers/group_options.h"
#include "optimizers/sign_step.h"

namespace roundlab {
namespace {

struct LionParamState : torch::optim::OptimizerCloneableParamState<LionParamState> {
  at::Tensor average;  ///< m, as the parameter; undefined before the first step

  void serialize(torch::serialize::InputArchive& archive) override {
    average = ReadState("average", &archive);
  }
  void serialize(torch::serialize::OutputArchive& archive) const override {
    WriteState("average", average, &archive);
  }
};

}  // namespace

void Lion::Options::Fields(FieldVisitor& f) {
  f.Real("lr", &lr, StepSizes(), "step size, in units of the parameter");
  f.Real("beta1", &beta1, Between(0, 1), "share of the average in the step's direction");
  f.Real("beta2", &beta2, Between(0, 1), "share of the average in the next average");
  f.Real("weight_decay", &weight_decay, Decays(), "lr times this share is taken off the parameter");
}

Lion::Lion(const Options& options, ParamGroups groups)
    : torch::optim::Optimizer(std::move(groups),
                              std::make_unique<GroupOptions>(options.lr, options.weight_decay)),
      options_(options) {}

torch::Tensor Lion::step(LossClosure closure) {
  const c10::NoGradGuard no_grad;
  torch::Tensor loss;
  if (closure != nullptr) {
    const c10::AutoGradMode enable_grad(true);
    loss = closure();
  }
  for (auto& group : param_groups_) {
    const auto& options = static_cast<const GroupOptions&>(group.options());
    for (const auto& parameter : group.params()) {
      if (parameter.grad().defined()) Update(parameter, options);
    }
  }
  return loss;
}

void Lion::Update(const at::Tensor& parameter, const GroupOptions& group) {
  const at::Tensor gradient = parameter.grad();
  auto& state = state_[parameter.unsafeGetTensorImpl()];
  if (state == nullptr) state = std::make_unique<LionParamState>();
  at::Tensor& average = static_cast<LionParamState&>(*state).average;
  if (!average.defined()) average = at::zeros_like(parameter);
  const double lr = group.get_lr();
  if (group.weight_decay() != 0) parameter.mul_(1 - lr * group.weight_decay());
  SignStep(parameter, average.mul(options_.beta1).add_(gradient, 1 - options_.beta1), lr);
  average.mul_(options_.beta2).add_(gradient, 1 - options_.beta2);
}

void Lion::save(torch::serialize::OutputArchive& archive) const {
  torch::optim::serialize<LionParamState, GroupOptions>(archive, *this);
}

void Lion::load(torch::serialize::InputArchive& archive) {
  torch::optim::serialize<LionParamState, GroupOptions>(archive, *this);
}

}  // namespace roundlab
