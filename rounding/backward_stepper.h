#pragma once

#include <vector>

namespace roundlab {

/// What a state that is tuned may be besides: one whose soft weights can move its parameters in the
/// backward pass that makes their gradients, which saves a gradient's memory and a pass over it.
class BackwardStepper {
 public:
  virtual ~BackwardStepper() = default;
  /// Whether it can, with the tensors and options it has.
  virtual bool StepsInBackward() const = 0;
  /// The backward pass of the soft weights made next moves p <- p - lr sign(gradient), with an lr
  /// for each of Parameters(), and keeps p in its domain; there are no gradients then.
  virtual void PlanSteps(const std::vector<double>& lrs) = 0;
};

}  // namespace roundlab
