#include "rounding/ranges/mse_2d.h"

#include <ATen/ATen.h>

#include "core/kernels/ops.h"

namespace roundlab {
namespace {

/// The candidate of least error so far, group by group.
class BestRange {
 public:
  BestRange(const at::Tensor& groups, const QuantSpec& spec, double norm)
      : groups_(groups), spec_(spec), norm_(norm), best_(MinMaxRange(groups)) {}

  void Try(const GroupRange& candidate) {
    const AffineGrid grid = MakeGrid(candidate, spec_);
    const at::Tensor rounded = FakeQuant(groups_, {}, grid.scale, grid.zero, spec_.CodeMax());
    const at::Tensor error = (rounded - groups_).abs_().pow_(norm_).mean(1);
    if (!least_.defined()) {
      least_ = error;
      best_ = candidate;
      return;
    }
    const at::Tensor better = error < least_;
    least_ = at::where(better, error, least_);
    best_.low = at::where(better, candidate.low, best_.low);
    best_.high = at::where(better, candidate.high, best_.high);
  }
  const GroupRange& Best() const { return best_; }

 private:
  const at::Tensor& groups_;
  const QuantSpec& spec_;
  double norm_;
  GroupRange best_;
  at::Tensor least_;
};

}  // namespace

void Mse2dEstimator::Options::Fields(FieldVisitor& f) {
  f.Int("steps", &steps, AtLeast(1), "widths to try, the whole range the last");
  f.Real("norm", &norm, Above(0), "exponent of the rounding error");
}

GroupRange Mse2dEstimator::Estimate(const LayerContext& layer) const {
  const QuantSpec& spec = layer.spec;
  const at::Tensor groups = layer.Layout().Split(layer.weight);
  const GroupRange whole = MinMaxRange(groups);
  BestRange best(groups, spec, options_.norm);
  for (std::int64_t i = 1; i <= options_.steps; ++i) {
    const auto share = [&](const at::Tensor& width) {
      return width / static_cast<double>(options_.steps) * static_cast<double>(i);
    };
    if (spec.grid != GridKind::kAsym) {
      const at::Tensor largest = share(at::maximum(-whole.low, whole.high));
      // A sym_full grid puts the end of larger magnitude on its lowest code.
      const at::Tensor low_end = -whole.low > whole.high;
      const bool full = spec.grid == GridKind::kSymFull;
      best.Try({full ? at::where(low_end, -largest, 0) : -largest,
                full ? at::where(low_end, 0, largest) : largest});
      continue;
    }
    const at::Tensor width = share(whole.high - whole.low);
    const at::Tensor step = width / spec.CodeMax();
    for (double p = 0; p <= spec.CodeMax(); ++p) best.Try({-(step * p), width - step * p});
  }
  return best.Best();
}

}  // namespace roundlab
