#include "rounding/best_range.h"

#include <ATen/ATen.h>

namespace roundlab {

at::Tensor BestRange::Try(const GroupRange& range, const at::Tensor& error) {
  if (!least_.defined()) {
    best_ = range;
    least_ = error;
    return at::ones_like(error, at::kBool);
  }
  at::Tensor better = error < least_;
  least_ = at::where(better, error, least_);
  best_.low = at::where(better, range.low, best_.low);
  best_.high = at::where(better, range.high, best_.high);
  return better;
}

at::Tensor SumOfPowers(const at::Tensor& errors, double norm, const at::Tensor& weight) {
  constexpr double kMostByItself = 4;
  errors.abs_();
  if (norm <= kMostByItself) {
    errors.pow_(norm);
    return (weight.defined() ? errors.mul_(weight) : errors).sum(1);
  }
  errors.log_().mul_(norm);
  return at::logsumexp(weight.defined() ? errors.add_(weight.log()) : errors, 1);
}

}  // namespace roundlab
