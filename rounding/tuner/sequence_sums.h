#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/model/block.h"

namespace roundlab {

/// A step's gradients to its soft weights, added up sequence after sequence
/// (LinearTuning::gradient_sum), so that codes don't depend on the parts a batch is run in. What
/// the soft weights are made of gets its gradient once a step.
class SequenceSums {
 public:
  /// Takes the soft weights that `slots` run with out of their graph.
  explicit SequenceSums(const std::vector<LinearSlot*>& slots);
  ~SequenceSums();  ///< the slots pass gradients on again
  SequenceSums(const SequenceSums&) = delete;
  SequenceSums& operator=(const SequenceSums&) = delete;

  /// Passes the sums on, and with them the gradient of `penalty`, which may be undefined.
  void Backward(const at::Tensor& penalty);

 private:
  std::vector<LinearSlot*> slots_;
  std::vector<at::Tensor> soft_;
  std::vector<at::Tensor> sums_;
};

}  // namespace roundlab
