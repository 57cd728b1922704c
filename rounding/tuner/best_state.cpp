#include "rounding/tuner/best_state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <limits>
#include <utility>

#include "core/base/error.h"
#include "core/kernels/ops.h"

namespace roundlab {

BestState::BestState(std::vector<at::Tensor> parameters) : parameters_(std::move(parameters)) {
  Forget();
}

void BestState::Consider(std::int64_t step, const at::Tensor& loss) {
  const at::NoGradGuard no_grad;
  const at::Tensor better = loss < least_;
  if (better.is_cpu() && !better.item<bool>()) return;
  if (copies_.empty()) {
    for (const at::Tensor& p : parameters_) copies_.push_back(at::empty_like(p.detach()));
  }
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    CopyIf(better, parameters_[i].detach(), copies_[i]);
  }
  least_ = at::where(better, loss, least_);
  step_ = at::where(better, step, step_);
}

std::int64_t BestState::Step() const { return step_.item<std::int64_t>(); }

void BestState::Restore() const {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(!copies_.empty(), "a state to restore");
  for (std::size_t i = 0; i < copies_.size(); ++i) parameters_[i].copy_(copies_[i]);
}

void BestState::Forget() {
  const auto device = parameters_.empty() ? at::Device(at::kCPU) : parameters_.front().device();
  least_ = at::full({}, std::numeric_limits<double>::infinity(),
                    at::TensorOptions(device).dtype(at::kDouble));
  step_ = at::full({}, -1, at::TensorOptions(device).dtype(at::kLong));
}

}  // namespace roundlab
