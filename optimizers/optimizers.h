#pragma once

#include <torch/optim/optimizer.h>

#include <vector>

#include "core/config/registry.h"

namespace roundlab {

using ParamGroups = std::vector<torch::optim::OptimizerParamGroup>;
using OptimizerRegistry = Registry<torch::optim::Optimizer, ParamGroups>;
using OptimizerRecipe = Recipe<torch::optim::Optimizer, ParamGroups>;

/// adam, adamw, lion, sgd, sign_sgd. All are torch::optim::Optimizer, so libtorch's own need no
/// adapter. A group given without options takes the recipe's; its lr is then the recipe's lr.
const OptimizerRegistry& Optimizers();

/// What an optimizer may be besides: one that wants to see each micro-batch's gradient by itself
/// instead of their sum. The tuner finds it by dynamic_cast and, where Votes(), calls Vote() after
/// each micro-batch's backward, then step() once.
class MicroBatchVoter {
 public:
  virtual ~MicroBatchVoter() = default;
  virtual bool Votes() const = 0;
  /// Takes the gradients of all parameters as one vote and leaves them undefined.
  virtual void Vote() = 0;
};

/// What an optimizer may be besides: one whose step can be taken elsewhere, in the pass that makes
/// the gradient.
class SignDescent {
 public:
  virtual ~SignDescent() = default;
  /// Whether a step is p <- p - lr sign(gradient) and nothing else.
  virtual bool Plain() const = 0;
};

/// The lr of every group, in order: a schedule's factor is put on these.
std::vector<double> LearningRates(const torch::optim::Optimizer& optimizer);

/// Sets the lr of group i to base_lrs[i] * factor; the optimizer's state stays as it is.
/// base_lrs: one a group.
void SetLearningRates(torch::optim::Optimizer* optimizer, const std::vector<double>& base_lrs,
                      double factor);

}  // namespace roundlab
