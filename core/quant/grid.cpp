#include "core/quant/grid.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/kernels/reference.h"

namespace roundlab {
namespace {

at::Tensor CastScale(const at::Tensor& scale, const QuantSpec& spec) {
  if (spec.scale_dtype == "float32") return scale.clamp_min(1e-8);
  return scale.to(spec.scale_dtype == "float16" ? at::kHalf : at::kBFloat16).clamp_min(1e-5);
}

AffineGrid Symmetric(const GroupRange& range, const QuantSpec& spec) {
  const double middle = static_cast<double>(std::int64_t{1} << (spec.bits - 1));
  const at::Tensor largest = at::maximum(-range.low, range.high);
  at::Tensor scale;
  if (spec.grid == "sym") {
    const at::Tensor span =
        spec.gptq_sym_quirk ? at::where(range.low < 0, 2 * largest, range.high) : 2 * largest;
    scale = CastScale(span / spec.CodeMax(), spec);
  } else {
    const at::Tensor magnitude = CastScale(largest / middle, spec);
    scale = at::where(-range.low > range.high, magnitude, -magnitude);
  }
  return {scale, at::full_like(range.low, middle).detach()};
}

}  // namespace

GroupRange MinMaxRange(const at::Tensor& groups) {
  ROUNDLAB_CHECK(groups.dim() == 2, "groups must be [groups, width]");
  at::Tensor low = groups.amin(1).clamp_max(0);
  at::Tensor high = groups.amax(1).clamp_min(0);
  const at::Tensor empty = (low == 0).logical_and(high == 0);
  return {low.masked_fill(empty, -1), high.masked_fill(empty, 1)};
}

AffineGrid MakeGrid(const GroupRange& range, const QuantSpec& spec) {
  if (spec.grid != "asym") return Symmetric(range, spec);
  const at::Tensor scale = CastScale((range.high - range.low) / spec.CodeMax(), spec);
  return {scale, reference::RoundSte(-range.low / scale)};
}

}  // namespace roundlab
