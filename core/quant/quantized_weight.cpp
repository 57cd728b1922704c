#include "core/quant/quantized_weight.h"

#include <ATen/ATen.h>

namespace roundlab {

at::Tensor QuantizedWeight::Dequantize() const {
  const GroupLayout layout = Layout();
  const at::Tensor groups = layout.Split(codes.to(at::kFloat));
  return layout.Join(scale.reshape({-1, 1}) * (groups - zero.reshape({-1, 1})));
}

double QuantizedWeight::BitsPerWeight() const {
  const double weights = static_cast<double>(codes.numel());
  const double groups = static_cast<double>(scale.numel());
  return static_cast<double>(bits) + groups * (16 + static_cast<double>(bits)) / weights;
}

QuantizedWeight FromCodes(const at::Tensor& codes, const AffineGrid& grid,
                          const GroupLayout& layout, const QuantSpec& spec) {
  QuantizedWeight weight;
  weight.codes = layout.Join(codes.detach().to(at::kByte)).clone();
  const at::Tensor scale = grid.scale.detach().to(at::kFloat);
  weight.scale = scale.reshape({layout.scale_rows, layout.per_row}).clone();
  weight.zero = grid.zero.detach().reshape({layout.scale_rows, layout.per_row}).clone();
  weight.bits = spec.bits;
  weight.group_size = spec.group_size;
  return weight;
}

QuantizedWeight QuantizeAffine(const at::Tensor& groups, const at::Tensor& offset,
                               const AffineGrid& grid, const GroupLayout& layout,
                               const QuantSpec& spec) {
  at::Tensor position = groups.detach() / grid.scale.detach().unsqueeze(1);
  if (offset.defined()) position.add_(offset.detach());
  position.round_().add_(grid.zero.detach().unsqueeze(1)).clamp_(0, spec.CodeMax());
  return FromCodes(position, grid, layout, spec);
}

}  // namespace roundlab
