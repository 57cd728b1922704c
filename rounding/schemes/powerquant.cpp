#include "rounding/schemes/powerquant.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <limits>

#include "core/quant/power_grid.h"

namespace roundlab {
namespace {

constexpr double kFirstExponent = 0.2;

/// Each weight's part of its group's largest, and what that counts.
struct Parts {
  at::Tensor part;  // [groups, width] float64, |w| / (top scale)
  at::Tensor size;  // [groups, 1] float64, top scale
};

Parts PartsOf(const at::Tensor& groups, const at::Tensor& scale, std::int64_t bits) {
  const at::Tensor size = (scale.to(at::kDouble) * PowerTop(bits)).unsqueeze(1);
  return {(groups.to(at::kDouble) / size).abs_(), size};
}

double ErrorOf(const Parts& w, double exponent, std::int64_t bits) {
  const double top = PowerTop(bits);
  const at::Tensor codes = w.part.pow(exponent).mul_(top).round_().clamp_max_(top);
  const at::Tensor back = codes.div_(top).pow_(1 / exponent);
  return back.sub_(w.part).mul_(w.size).square_().sum().item<double>();
}

}  // namespace

void PowerQuant::Options::Fields(FieldVisitor& f) {
  f.Real("exponent", &exponent, Between(0, 4),
         "of each layer's power grid; 0: that of least rounding error");
}

double PowerError(const at::Tensor& groups, const at::Tensor& scale, double exponent,
                  std::int64_t bits) {
  return ErrorOf(PartsOf(groups, scale, bits), exponent, bits);
}

double BestExponent(const at::Tensor& groups, const at::Tensor& scale, std::int64_t bits) {
  const Parts weights = PartsOf(groups, scale, bits);
  double best = 1;
  double least = std::numeric_limits<double>::infinity();
  const auto look = [&](double exponent) {
    const double error = ErrorOf(weights, exponent, bits);
    if (!(error < least)) return;
    least = error;
    best = exponent;
  };
  for (int i = 0; i <= 32; ++i) look(kFirstExponent + i / 40.0);
  for (const double step : {1 / 400.0, 1 / 4000.0}) {
    const double middle = best;
    for (int i = -9; i <= 9; ++i) look(middle + i * step);
  }
  return best;
}

std::unique_ptr<LayerRounding> PowerQuant::Begin(const LayerContext& layer) const {
  const at::NoGradGuard no_grad;
  const GroupLayout layout = layer.Layout();
  const std::int64_t bits = layer.spec.bits;
  AffineGrid grid = MakeGrid(layer.range, layer.spec);
  grid.scale = grid.scale.to(at::kFloat);
  const at::Tensor groups = layout.Split(layer.weight);
  // Stored in float32: what is decoded has that exponent.
  const auto exponent = static_cast<float>(
      options_.exponent > 0 ? options_.exponent : BestExponent(groups, grid.scale, bits));
  const double top = PowerTop(bits);
  const at::Tensor codes =
      PowerPositions(groups, grid.scale, exponent, bits).round_().clamp_(-top, top);
  QuantizedWeight rounded = FromCodes(codes + (top + 1), grid, layout, layer.spec);
  rounded.exponent = at::full({1}, exponent);
  return FixedRounding(std::move(rounded), {{"exponent", {exponent}}});
}

Work PowerQuant::WorkOn(const LayerShape& layer) const {
  const double exponents = options_.exponent > 0 ? 1 : 71;
  return {.values = 80 * exponents * layer.Weights(), .ops = 12 * exponents};
}

}  // namespace roundlab
