#include "docs/example/error_diffusion.h"

#include <ATen/ATen.h>

namespace roundlab {

void ErrorDiffusion::Options::Fields(FieldVisitor& f) {
  f.Real("strength", &strength, Between(0, 1), "part of an error that the next weight takes over");
}

std::unique_ptr<LayerRounding> ErrorDiffusion::Begin(const LayerContext& layer) const {
  const GroupLayout layout = layer.Layout();
  const AffineGrid grid = MakeGrid(layer.range, layer.spec);
  const at::Tensor position = layout.Split(layer.weight) / grid.scale.unsqueeze(1);
  at::Tensor codes = at::empty_like(position);
  at::Tensor error;
  for (std::int64_t i = 0; i < layout.width; ++i) {
    // A group over the whole matrix has its rows one behind another: errors stay in a row.
    if (i % layer.weight.size(1) == 0) error = at::zeros({layout.Count()});
    const at::Tensor wanted = position.select(1, i) + options_.strength * error;
    const at::Tensor code = (wanted.round() + grid.zero).clamp(0, layer.spec.CodeMax());
    error = wanted - (code - grid.zero);
    codes.select(1, i).copy_(code);
  }
  return FixedRounding(FromCodes(codes, grid, layout, layer.spec));
}

}  // namespace roundlab
