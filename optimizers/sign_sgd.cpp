#include "optimizers/sign_sgd.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/optim/serialize.h>

#include <memory>
#include <utility>

#include "core/config/enum_field.h"
#include "optimizers/group_options.h"
#include "optimizers/sign_step.h"

namespace roundlab {
namespace {

struct SignSgdParamState : torch::optim::OptimizerCloneableParamState<SignSgdParamState> {
  at::Tensor momentum_buffer;  ///< as the parameter; undefined before the first step
  at::Tensor tally;  ///< as the parameter, sum of the votes' signs; undefined without a vote

  void serialize(torch::serialize::InputArchive& archive) override {
    momentum_buffer = ReadState("momentum_buffer", &archive);
    tally = ReadState("tally", &archive);
  }
  void serialize(torch::serialize::OutputArchive& archive) const override {
    WriteState("momentum_buffer", momentum_buffer, &archive);
    WriteState("tally", tally, &archive);
  }
};

using States = ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>>;

/// The state of `parameter`, made where there is none.
SignSgdParamState& StateOf(const at::Tensor& parameter, States* states) {
  auto& state = (*states)[parameter.unsafeGetTensorImpl()];
  if (state == nullptr) state = std::make_unique<SignSgdParamState>();
  return static_cast<SignSgdParamState&>(*state);
}

const EnumNames<SignSgd::Ballot> kBallots = {{SignSgd::Ballot::kNone, "none"},
                                             {SignSgd::Ballot::kMajority, "majority"}};

}  // namespace

void SignSgd::Options::Fields(FieldVisitor& f) {
  f.Real("lr", &lr, StepSizes(), "step size, in units of the parameter");
  momentum.Fields(f);
  f.Real("weight_decay", &weight_decay, Decays(), "share of the parameter added to the gradient");
  EnumField vote_field(&vote, kBallots);
  f.Value("vote", vote_field,
          "none: sign of the summed gradient; majority: of the micro-batches' summed signs");
}

SignSgd::SignSgd(const Options& options, ParamGroups groups)
    : torch::optim::Optimizer(std::move(groups),
                              std::make_unique<GroupOptions>(options.lr, options.weight_decay)),
      options_(options) {
  ROUNDLAB_CHECK(options.momentum.Problem().empty(), options.momentum.Problem());
}

torch::Tensor SignSgd::step(LossClosure closure) {
  const c10::NoGradGuard no_grad;
  torch::Tensor loss;
  if (closure != nullptr) {
    const c10::AutoGradMode enable_grad(true);
    loss = closure();
    if (Votes()) Vote();
  }
  for (auto& group : param_groups_) {
    const auto& options = static_cast<const GroupOptions&>(group.options());
    for (const auto& parameter : group.params()) {
      const at::Tensor gradient = TakeGradient(parameter);
      if (!gradient.defined()) continue;
      SignStep(parameter, Direction(parameter, gradient, options.weight_decay()), options.get_lr());
    }
  }
  return loss;
}

bool SignSgd::Plain() const {
  return options_.momentum.momentum == 0 && options_.weight_decay == 0 && !Votes();
}

void SignSgd::Vote() {
  ROUNDLAB_CHECK(Votes(), "vote is none");
  const c10::NoGradGuard no_grad;
  for (auto& group : param_groups_) {
    for (const auto& parameter : group.params()) {
      at::Tensor& gradient = parameter.mutable_grad();
      if (!gradient.defined()) continue;
      at::Tensor& tally = StateOf(parameter, &state_).tally;
      if (!tally.defined()) tally = at::zeros_like(gradient);
      SignStep(tally, gradient, -1.0);
      gradient = at::Tensor();
    }
  }
}

at::Tensor SignSgd::TakeGradient(const at::Tensor& parameter) {
  if (!Votes()) return parameter.grad();
  ROUNDLAB_CHECK(!parameter.grad().defined(), "a gradient without a Vote() before step()");
  return std::exchange(StateOf(parameter, &state_).tally, at::Tensor());
}

at::Tensor SignSgd::Direction(const at::Tensor& parameter, const at::Tensor& gradient,
                              double weight_decay) {
  const auto& [momentum, dampening, nesterov] = options_.momentum;
  at::Tensor direction = gradient;
  if (weight_decay != 0) direction = direction.add(parameter, weight_decay);
  if (momentum == 0) return direction;
  at::Tensor& buffer = StateOf(parameter, &state_).momentum_buffer;
  if (buffer.defined()) {
    buffer.mul_(momentum).add_(direction, 1 - dampening);
  } else {
    buffer = direction.clone();
  }
  return nesterov ? direction.add(buffer, momentum) : buffer;
}

void SignSgd::save(torch::serialize::OutputArchive& archive) const {
  torch::optim::serialize<SignSgdParamState, GroupOptions>(archive, *this);
}

void SignSgd::load(torch::serialize::InputArchive& archive) {
  torch::optim::serialize<SignSgdParamState, GroupOptions>(archive, *this);
}

}  // namespace roundlab
