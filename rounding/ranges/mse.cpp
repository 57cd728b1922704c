#include "rounding/ranges/mse.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/kernels/ops.h"

namespace roundlab {

void MseEstimator::Options::Fields(FieldVisitor& f) {
  f.Int("steps", &steps, AtLeast(1), "candidates in the unit interval");
  f.Real("shrink", &shrink, Between(0, 1), "largest part of the range to take away");
  f.Real("norm", &norm, Above(0), "exponent of the rounding error");
}
MseEstimator::MseEstimator(const Options& options) : options_(options) {}

GroupRange MseEstimator::Estimate(const LayerContext& layer) const {
  const QuantSpec& spec = layer.spec;
  const at::Tensor groups = layer.Layout().Split(layer.weight);
  const GroupRange whole = MinMaxRange(groups);
  GroupRange best = whole;
  at::Tensor least;
  const auto count =
      static_cast<std::int64_t>(options_.shrink * static_cast<double>(options_.steps));
  for (std::int64_t i = 0; i < std::max<std::int64_t>(count, 1); ++i) {
    const double p = 1 - static_cast<double>(i) / static_cast<double>(options_.steps);
    const GroupRange candidate{whole.low * p, whole.high * p};
    const AffineGrid grid = MakeGrid(candidate, spec);
    const at::Tensor rounded = FakeQuant(groups, {}, grid.scale, grid.zero, spec.CodeMax());
    const at::Tensor error = (rounded - groups).abs_().pow_(options_.norm).sum(1);
    if (!least.defined()) {
      least = error;
      continue;
    }
    const at::Tensor better = error < least;
    least = at::where(better, error, least);
    best.low = at::where(better, candidate.low, best.low);
    best.high = at::where(better, candidate.high, best.high);
  }
  return best;
}

}  // namespace roundlab
