#include "rounding/schemes/histogram.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace roundlab {

std::vector<double> Histogram(const at::Tensor& values, double low, double high,
                              std::int64_t bins) {
  ROUNDLAB_CHECK(bins <= 256, "bins fit a byte");
  const at::Tensor index = ((values.flatten() - low) * (static_cast<double>(bins) / (high - low)))
                               .floor_()
                               .clamp_(0, static_cast<double>(bins - 1))
                               .to(at::kByte);
  // Bin by bin where the values lie: a GPU's stay there.
  std::vector<at::Tensor> counts;
  for (std::int64_t bin = 0; bin < bins; ++bin) counts.push_back((index == bin).sum());
  const at::Tensor all = at::stack(counts).to(at::kDouble).cpu();
  const double* data = all.const_data_ptr<double>();
  return {data, data + bins};
}

}  // namespace roundlab
