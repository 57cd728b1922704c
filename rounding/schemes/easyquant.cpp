#include "rounding/schemes/easyquant.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

namespace roundlab {
namespace {

double SignedTop(std::int64_t bits) {
  return static_cast<double>((std::int64_t{1} << (bits - 1)) - 1);
}

/// q of the formula, in the scale's dtype.
at::Tensor SignedCodes(const at::Tensor& groups, const at::Tensor& scale, std::int64_t bits) {
  const double top = SignedTop(bits);
  return (groups / scale.unsqueeze(1)).round_().clamp_(-top - 1, top);
}

}  // namespace

void EasyQuant::Options::Fields(FieldVisitor& f) {
  f.Real("outliers", &outliers, Above(0),
         "standard deviations from the mean beyond which weights are kept as they are");
  f.Int("steps", &steps, AtLeast(0), "steps of each scale down its rounding error");
}

at::Tensor FarFromMean(const at::Tensor& weight, double sigmas) {
  const at::Tensor wide = weight.to(at::kDouble);
  const at::Tensor distance = (wide - wide.mean()).abs();
  return distance > sigmas * distance.square().mean().sqrt();
}

FittedScale FitScale(const at::Tensor& groups, std::int64_t bits, std::int64_t steps) {
  const at::Tensor wide = groups.to(at::kDouble);
  // A group of zeros has no scale of its own; any does.
  const at::Tensor largest = wide.abs().amax(1);
  FittedScale fit;
  fit.last = at::where(largest > 0, largest / SignedTop(bits), 1);
  fit.best = fit.last;
  fit.best_error = at::full_like(largest, INFINITY);
  for (std::int64_t step = 0; step <= steps; ++step) {
    const at::Tensor codes = SignedCodes(wide, fit.last, bits);
    const at::Tensor error = fit.last.unsqueeze(1) * codes - wide;
    fit.last_error = error.square().sum(1);
    const at::Tensor better = fit.last_error < fit.best_error;
    fit.best = at::where(better, fit.last, fit.best);
    fit.best_error = at::where(better, fit.last_error, fit.best_error);
    if (step == steps) break;
    const at::Tensor power = codes.square().sum(1);
    const at::Tensor move = 0.5 * (error * codes).sum(1) / power;
    fit.last = at::where(power > 0, fit.last - move, fit.last);
  }
  return fit;
}

/// Of n numbers none is further than sqrt(n - 1) standard deviations from their mean.
LayerTraits EasyQuant::OnLayer(const LayerShape& layer) const {
  const double weights = static_cast<double>(layer.out * layer.in);
  return {.plain_codes = options_.outliers >= std::sqrt(weights)};
}

std::unique_ptr<LayerRounding> EasyQuant::Begin(const LayerContext& layer) const {
  const at::Tensor kept = FarFromMean(layer.weight, options_.outliers);
  const GroupLayout layout = layer.Layout();
  const at::Tensor groups = layout.Split(layer.weight.masked_fill(kept, 0));
  const FittedScale fit = FitScale(groups, layer.spec.bits, options_.steps);
  const double middle = SignedTop(layer.spec.bits) + 1;
  const AffineGrid grid{CastScale(fit.best.to(at::kFloat), layer.spec),
                        at::full({layout.Count()}, middle)};
  const at::Tensor codes = SignedCodes(groups, grid.scale.to(at::kFloat), layer.spec.bits) + middle;
  QuantizedWeight rounded = FromCodes(codes, grid, layout, layer.spec);
  rounded.spec.grid = GridKind::kSym;  // the zero point needs no storage
  KeepApart(kept, layer.weight, &rounded);
  return FixedRounding(std::move(rounded));
}

Work EasyQuant::WorkOn(const LayerShape& layer) const {
  const auto steps = static_cast<double>(options_.steps);
  return {.values = 25 * steps * layer.Weights(), .ops = 12 * steps};
}

}  // namespace roundlab
