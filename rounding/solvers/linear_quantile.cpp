#include "rounding/solvers/linear_quantile.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace roundlab {

double LinearQuantile(const at::Tensor& values, double q) {
  const at::Tensor copy = values.to(at::kCPU, at::kFloat, false, true).flatten();
  float* begin = copy.mutable_data_ptr<float>();
  float* end = begin + copy.numel();
  const double place = q * static_cast<double>(copy.numel() - 1);
  const double below = std::floor(place);
  float* nth = begin + static_cast<std::int64_t>(below);
  std::nth_element(begin, nth, end);
  if (place == below) return static_cast<double>(*nth);
  const double low = static_cast<double>(*nth);
  const double high = static_cast<double>(*std::min_element(nth + 1, end));
  return low + (high - low) * (place - below);
}

}  // namespace roundlab
