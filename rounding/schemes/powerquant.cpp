#include "rounding/schemes/powerquant.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/quant/power_grid.h"
#include "rounding/solvers/power_exponent.h"

namespace roundlab {

void PowerQuant::Options::Fields(FieldVisitor& f) {
  f.Real("exponent", &exponent, Between(0, 4),
         "of each layer's power grid; 0: that of least rounding error");
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
  const Work rounded{.values = 80 * layer.Weights(), .ops = 12};
  return options_.exponent > 0 ? rounded : rounded + ExponentWork(layer.Weights());
}

}  // namespace roundlab
