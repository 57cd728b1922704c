#pragma once

#include <torch/optim/optimizer.h>

#include <cstdint>
#include <vector>

#include "core/config/registry.h"

namespace roundlab {

using ParamGroups = std::vector<torch::optim::OptimizerParamGroup>;
using OptimizerRegistry = Registry<torch::optim::Optimizer, ParamGroups>;
using OptimizerRecipe = Recipe<torch::optim::Optimizer, ParamGroups>;

/// adam, adamw, lion, sgd, sign_sgd. All are torch::optim::Optimizer, so libtorch's own need no
/// adapter. A group given without options takes the recipe's; its lr is then the recipe's lr.
OptimizerRegistry& Optimizers();

/// What an optimizer may be besides: one that wants to see each micro-batch's gradient by itself
/// instead of their sum. VoterOf finds it; Vote() is to be called after each micro-batch's
/// backward, then step() once.
class MicroBatchVoter {
 public:
  virtual ~MicroBatchVoter() = default;
  virtual bool Votes() const = 0;
  /// Takes the gradients of all parameters as one vote and leaves them undefined.
  virtual void Vote() = 0;
};
/// What of `optimizer` is to be called so; null where it does not vote.
MicroBatchVoter* VoterOf(torch::optim::Optimizer* optimizer);

/// What an optimizer may be besides: one whose step can be taken elsewhere, in the pass that makes
/// the gradient.
class SignDescent {
 public:
  virtual ~SignDescent() = default;
  /// Whether a step is p <- p - lr sign(gradient) and nothing else.
  virtual bool Plain() const = 0;
};

/// Whether a step is p <- p - lr sign(gradient) and nothing else.
bool IsPlainSignDescent(const torch::optim::Optimizer& optimizer);

/// Numbers that an optimizer keeps for one that it moves: 0 of plain descent, 1 of momentum, 2 of
/// Adam. Counted in the state that one saves after two steps, so that a plug-in's is counted too.
std::int64_t StateNumbers(const OptimizerRecipe& recipe);

/// Whether training can go on from what it saves: false where it has libtorch's state of a
/// parameter and saves nothing, as libtorch's own default does.
bool SavesState(const OptimizerRecipe& recipe);

/// The lr of every group, in order: a schedule's factor is put on these.
std::vector<double> LearningRates(const torch::optim::Optimizer& optimizer);

/// Sets the lr of group i to base_lrs[i] * factor; the optimizer's state stays as it is.
/// base_lrs: one a group.
void SetLearningRates(torch::optim::Optimizer* optimizer, const std::vector<double>& base_lrs,
                      double factor);

/// Sets the weight decay of a group's parameters. Knows the optimizers of Optimizers() and
/// libtorch's Adam, AdamW and SGD; a group of another optimizer stays as it is.
void SetWeightDecay(torch::optim::OptimizerParamGroup* group, double weight_decay);

}  // namespace roundlab
