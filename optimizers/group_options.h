#pragma once

#include <torch/optim/optimizer.h>

#include "core/config/fields.h"

namespace roundlab {

/// What a learning rate and a weight decay may be. The steps that optimizers make of one must be
/// float32 numbers: Adam divides it by 1 - beta1 at first.
inline Interval StepSizes() { return {0, kMostInFloat, true}; }
inline Interval Decays() { return {0, kMostInFloat}; }

/// The options of a parameter group of our own optimizers: groups differ by these alone, all else
/// is the optimizer's.
class GroupOptions : public torch::optim::OptimizerCloneableOptions<GroupOptions> {
 public:
  explicit GroupOptions(double lr, double weight_decay = 0)
      : lr_(lr), weight_decay_(weight_decay) {}

  double get_lr() const override { return lr_; }
  void set_lr(const double lr) override { lr_ = lr; }
  double weight_decay() const { return weight_decay_; }
  void set_weight_decay(double weight_decay) { weight_decay_ = weight_decay; }
  void serialize(torch::serialize::InputArchive& archive) override;
  void serialize(torch::serialize::OutputArchive& archive) const override;

 private:
  double lr_;
  double weight_decay_;
};

/// A tensor of an optimizer's state; one that is undefined is left out and reads back undefined.
void WriteState(const char* key, const at::Tensor& value, torch::serialize::OutputArchive* archive);
at::Tensor ReadState(const char* key, torch::serialize::InputArchive* archive);

}  // namespace roundlab
