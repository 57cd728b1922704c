#include "core/kernels/float8.h"

#include <ATen/ATen.h>

#include <limits>

#include "core/kernels/cuda/float8_job.h"
#include "core/kernels/cuda/without_gradient.h"
#include "core/kernels/device.h"

namespace roundlab {
namespace {

constexpr double kLargestE4M3 = 448;

Float8Columns ColumnsByAten(const at::Tensor& x) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor largest = wide.slice(0, 0, std::nullopt, cuda::kFloat8Sampled).abs().amax(0);
  // largest = m 2^e with m in [0.5, 1)
  const at::Tensor exponent = std::get<1>(at::frexp(largest));
  const at::Tensor shift = (cuda::kFloat8Exponent + 1 - exponent).clamp(-126, 126);
  at::Tensor factor = at::ldexp(at::ones_like(largest), shift.to(at::kFloat));
  factor.masked_fill_(largest == 0, 1);
  factor.masked_fill_(largest.isfinite().logical_not_(), std::numeric_limits<float>::quiet_NaN());
  at::Tensor scaled = wide * factor;
  scaled.masked_fill_(scaled.isfinite().logical_not_(), std::numeric_limits<float>::quiet_NaN());
  return {scaled.clamp_(-kLargestE4M3, kLargestE4M3).to(at::kFloat8_e4m3fn).t().contiguous(),
          1 / factor};
}

bool By16(const at::Tensor& t) { return t.size(0) % 16 == 0 && t.size(1) % 16 == 0; }

}  // namespace

Float8Columns ToFloat8Columns(const at::Tensor& x) {
  const auto* kernels = cuda::KernelsFor(x);
  if (kernels == nullptr || x.size(0) % 16 != 0 || x.size(1) % 8 != 0) return ColumnsByAten(x);
  return cuda::ToFloat8Columns(*kernels, x);
}

at::Tensor Float8Product(const at::Tensor& dy, const at::Tensor& x) {
  const Float8Columns left = ToFloat8Columns(dy);
  const Float8Columns right = ToFloat8Columns(x);
  const at::Tensor rows = left.scales.unsqueeze(1);
  const at::Tensor columns = right.scales.unsqueeze(0);
  if (By16(dy) && By16(x) && ComputeCapability(x.device()) >= 89) {
    return at::_scaled_mm(left.values, right.values.t(), rows, columns, {}, {}, at::kBFloat16,
                          /*use_fast_accum=*/true);
  }
  return at::mm(left.values.to(at::kFloat), right.values.to(at::kFloat).t()) * rows * columns;
}

}  // namespace roundlab
