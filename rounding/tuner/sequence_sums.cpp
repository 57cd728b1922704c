#include "rounding/tuner/sequence_sums.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

namespace roundlab {

SequenceSums::SequenceSums(const std::vector<LinearSlot*>& slots) {
  for (LinearSlot* slot : slots) {
    if (!slot->effective.requires_grad()) continue;
    slots_.push_back(slot);
    soft_.push_back(slot->effective);
    sums_.push_back(at::zeros_like(slot->effective, at::TensorOptions().dtype(at::kFloat)));
    slot->effective = slot->effective.detach().requires_grad_(true);
    slot->tuning.gradient_sum = sums_.back();
  }
}

SequenceSums::~SequenceSums() {
  for (LinearSlot* slot : slots_) slot->tuning.gradient_sum.reset();
}

void SequenceSums::Backward(const at::Tensor& penalty) {
  std::vector<at::Tensor> ends = soft_;
  std::vector<at::Tensor> gradients = sums_;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    gradients[i] = gradients[i].to(ends[i].scalar_type());
  }
  if (penalty.defined() && penalty.requires_grad()) {
    ends.push_back(penalty);
    gradients.push_back(at::ones_like(penalty));
  }
  torch::autograd::backward(ends, gradients);
}

}  // namespace roundlab
