#include "rounding/schemes/stochastic.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace roundlab {

void StochasticRounding::Options::Fields(FieldVisitor& /*f*/) {}
StochasticRounding::StochasticRounding(const Options& /*options*/) {}

std::unique_ptr<LayerRounding> StochasticRounding::Begin(const LayerContext& layer) const {
  const GroupLayout layout = layer.Layout();
  const AffineGrid grid = MakeGrid(layer.range, layer.spec);
  at::Generator generator = at::detail::createCPUGenerator(layer.seed);
  at::Tensor position = layout.Split(layer.weight) / grid.scale.unsqueeze(1);
  position.add_(
      at::rand(position.sizes(), generator, at::TensorOptions(at::kFloat)).to(position.device()));
  position.floor_().add_(grid.zero.unsqueeze(1)).clamp_(0, layer.spec.CodeMax());
  return FixedRounding(FromCodes(position, grid, layout, layer.spec));
}

}  // namespace roundlab
