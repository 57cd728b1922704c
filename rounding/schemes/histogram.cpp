#include "rounding/schemes/histogram.h"

#include <ATen/ATen.h>

namespace roundlab {

std::vector<double> Histogram(const at::Tensor& values, double low, double high,
                              std::int64_t bins) {
  const at::Tensor index = ((values.flatten() - low) * (static_cast<double>(bins) / (high - low)))
                               .floor()
                               .clamp(0, static_cast<double>(bins - 1))
                               .to(at::kLong);
  const at::Tensor counts = at::bincount(index.cpu(), {}, bins).to(at::kDouble);
  const double* data = counts.const_data_ptr<double>();
  return {data, data + bins};
}

}  // namespace roundlab
