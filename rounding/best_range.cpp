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

}  // namespace roundlab
