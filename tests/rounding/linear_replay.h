#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "rounding/scheme.h"
#include "rounding/tuner/loss.h"

namespace roundlab::testing {

/// What a trajectory on one linear layer is walked with.
struct LinearSteps {
  at::Tensor inputs;  ///< [rows, tokens, in]
  at::Tensor weight;  ///< [out, in]; targets are its own outputs
  std::string optimizer;
  std::string schedule = "type: constant";
  std::string loss;
  std::int64_t steps = 0;
};

/// Walks a layer of a scheme along a file's batches with our own optimizer, schedule and loss.
class LinearReplay {
 public:
  LinearReplay(const LinearSteps& how, std::unique_ptr<LayerRounding> layer)
      : how_(how),
        targets_(at::linear(how.inputs, how.weight)),
        layer_(std::move(layer)),
        schedule_(Schedules().FromText(how.schedule).make()),
        loss_(Losses().FromText(how.loss).make()) {
    MakeOptimizer();
    if (layer_->Project(0)) MakeOptimizer();
  }

  /// The loss on `rows`; its gradients, and those of the penalty, are left in the parameters.
  double Backward(const at::Tensor& rows, double progress = 0) {
    optimizer_->zero_grad();
    const at::Tensor y = at::linear(how_.inputs.index_select(0, rows), layer_->SoftWeight());
    at::Tensor loss = loss_->Of(y, targets_.index_select(0, rows));
    const double value = loss.item<double>();
    const at::Tensor penalty = layer_->Penalty(progress);
    if (penalty.defined()) loss = loss + penalty;
    loss.backward();
    return value;
  }
  void Move(std::int64_t step) {
    Step(step);
    Project(step);
  }
  void Step(std::int64_t step) {
    SetLearningRates(optimizer_.get(), base_lrs_, schedule_->Factor(step, how_.steps));
    optimizer_->step();
  }
  void Project(std::int64_t step) {
    const double progress = static_cast<double>(step + 1) / static_cast<double>(how_.steps);
    if (layer_->Project(progress)) MakeOptimizer();
  }
  double LearningRate() const { return LearningRates(*optimizer_).front(); }

  LayerRounding& Layer() { return *layer_; }
  /// Tensor i of a parameter group.
  at::Tensor Parameter(const std::string& group, std::size_t i = 0) {
    for (const ParameterGroup& g : layer_->Parameters()) {
      if (g.name == group) return g.tensors.at(i);
    }
    ROUNDLAB_CHECK(false, "no group " + group);
    return {};
  }

 private:
  void MakeOptimizer() {
    ParamGroups groups;
    for (const ParameterGroup& group : layer_->Parameters()) groups.emplace_back(group.tensors);
    optimizer_ = Optimizers().FromText(how_.optimizer).make(std::move(groups));
    base_lrs_ = LearningRates(*optimizer_);
    std::size_t i = 0;
    for (const ParameterGroup& group : layer_->Parameters()) base_lrs_[i++] *= group.lr_factor;
  }

  LinearSteps how_;
  at::Tensor targets_;
  std::unique_ptr<LayerRounding> layer_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<double> base_lrs_;
};

}  // namespace roundlab::testing
