#include "rounding/schemes/offset.h"

#include <ATen/ATen.h>

#include "rounding/schemes/histogram.h"

namespace roundlab {

Latent OffsetLatent(const at::Tensor& groups, const at::Tensor& offset, const AffineGrid& grid,
                    double code_max) {
  at::Tensor position = groups / grid.scale.to(at::kFloat).unsqueeze(1);
  if (offset.defined()) position = position + offset;
  return {position + grid.zero.unsqueeze(1), grid, code_max};
}

void DescribeOffset(const at::Tensor& offset, const GroupLayout& layout, Diagnostics* diagnostics) {
  if (!offset.defined()) return;
  const at::Tensor size = layout.Join(offset.detach()).abs();
  (*diagnostics)["offset_histogram"] = Histogram(size, 0, kOffsetHistogramTop, 22);
  (*diagnostics)["offset_mean_abs"] = {size.mean().item<double>()};
}

}  // namespace roundlab
