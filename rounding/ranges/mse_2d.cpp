#include "rounding/ranges/mse_2d.h"

#include <ATen/ATen.h>

#include "core/kernels/ops.h"
#include "rounding/best_range.h"

namespace roundlab {

void Mse2dEstimator::Options::Fields(FieldVisitor& f) {
  f.Int("steps", &steps, AtLeast(1), "widths to try, the whole range the last");
  f.Real("norm", &norm, Above(0), "exponent of the rounding error");
}

GroupRange Mse2dEstimator::Estimate(const LayerContext& layer) const {
  const QuantSpec& spec = layer.spec;
  const at::Tensor groups = layer.Layout().Split(layer.weight);
  const GroupRange whole = MinMaxRange(groups);
  BestRange best;
  const auto consider = [&](const GroupRange& candidate) {
    const AffineGrid grid = MakeGrid(candidate, spec);
    const at::Tensor rounded = FakeQuant(groups, {}, grid.scale, grid.zero, spec.CodeMax());
    best.Try(candidate, SumOfPowers(rounded - groups, options_.norm));
  };
  for (std::int64_t i = 1; i <= options_.steps; ++i) {
    const auto share = [&](const at::Tensor& width) {
      return width / static_cast<double>(options_.steps) * static_cast<double>(i);
    };
    if (spec.grid != GridKind::kAsym) {
      const at::Tensor largest = share(at::maximum(-whole.low, whole.high));
      // A sym_full grid puts the end of larger magnitude on its lowest code.
      const at::Tensor low_end = -whole.low > whole.high;
      const bool full = spec.grid == GridKind::kSymFull;
      consider({full ? at::where(low_end, -largest, 0) : -largest,
                full ? at::where(low_end, 0, largest) : largest});
      continue;
    }
    const at::Tensor width = share(whole.high - whole.low);
    const at::Tensor step = width / spec.CodeMax();
    for (double p = 0; p <= spec.CodeMax(); ++p) {
      // The last p leaves 0, or what rounding makes of it.
      consider({-(step * p), (width - step * p).clamp_min_(0)});
    }
  }
  return best.Best();
}

Work Mse2dEstimator::WorkOn(const LayerShape& layer) const {
  const double places = layer.spec.grid == GridKind::kAsym ? layer.spec.CodeMax() + 1 : 1;
  const double candidates = places * static_cast<double>(options_.steps);
  return {.values = candidates * kValuesOfACandidate * layer.Weights(), .ops = 12 * candidates};
}

}  // namespace roundlab
