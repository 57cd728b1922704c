#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/model/block.h"
#include "rounding/backward_stepper.h"
#include "rounding/scheme.h"

namespace roundlab {

/// Whether weights are those that tuning runs with or those that are stored in the end.
enum class Hardness { kSoft, kHard };

/// What is tuned jointly on one unit: the states of its layers, or parameters that several layers
/// share. All state that tuning changes is in Parameters() and State(), so that a copy of those is
/// a snapshot.
class Tuned {
 public:
  virtual ~Tuned() = default;
  /// In a fixed order; empty where there is nothing to tune.
  virtual std::vector<ParameterGroup> Parameters() = 0;
  /// Puts the present weights into the unit; soft ones are differentiable in Parameters().
  virtual void Install(Hardness hardness) = 0;
  /// Whether Parameters() reach the unit's outputs through the slots' soft weights alone.
  virtual bool SoftWeightsAreAll() const { return false; }
  /// A term to add to the loss at `progress` = step / steps; scalar, or undefined for none.
  virtual at::Tensor Penalty(double /*progress*/) { return {}; }
  /// See LayerRounding::Project and State.
  virtual bool Project(double /*progress*/) { return false; }
  virtual std::vector<at::Tensor> State() { return {}; }
};

/// The layers of a unit, each with its own state.
class RoundedLayers : public Tuned, public BackwardStepper {
 public:
  using Layers = std::vector<std::unique_ptr<LayerRounding>>;

  /// One layer a slot; both outlive it.
  RoundedLayers(std::vector<LinearSlot*> slots, const Layers& layers);

  std::vector<ParameterGroup> Parameters() override;
  void Install(Hardness hardness) override;
  bool SoftWeightsAreAll() const override { return true; }
  at::Tensor Penalty(double progress) override;
  bool Project(double progress) override;
  std::vector<at::Tensor> State() override;
  bool StepsInBackward() const override;  ///< all layers do
  void PlanSteps(const std::vector<double>& lrs) override;

 private:
  std::vector<LinearSlot*> slots_;
  const Layers& layers_;
};

}  // namespace roundlab
