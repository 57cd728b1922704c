#include "rounding/schemes/starting_point.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "rounding/scheme_traits.h"

namespace roundlab {

void RequirePlainStart(const LayerContext& layer) {
  const QuantizedWeight& start = *layer.start;
  const bool plain = start.OnGrid() && !start.g_idx.defined() && !start.outlier_index.defined() &&
                     !start.left.defined() && !start.left_codes.defined() &&
                     !start.kept_columns.defined();
  if (plain) return;
  throw Error(layer.name + ": its start can't be begun from: it is more than codes on a grid of " +
              "runs of columns");
}

StartingPoint StartingPointOf(const LayerContext& layer) {
  RequirePlainStart(layer);
  const GroupLayout layout = layer.Layout();
  const AffineGrid theirs{layer.start->scale.flatten(), layer.start->zero.flatten()};
  const GridKind kind = layer.spec.grid;
  if (!IsUniform(kind)) {
    throw Error(layer.name + ": quant.grid " + EnumName(kind, GridNames()) +
                " can't be begun from");
  }
  StartingPoint point{RangeOfGrid(theirs, layer.spec), {}};
  const AffineGrid grid = MakeGrid(point.range, layer.spec);
  if (!at::equal(grid.zero, theirs.zero)) {
    throw Error(layer.name + ": its start can't be begun from: its zero points are not those of " +
                "quant.grid " + EnumName(layer.spec.grid, GridNames()));
  }
  const at::Tensor position = layout.Split(layer.weight) / grid.scale.to(at::kFloat).unsqueeze(1);
  const at::Tensor zero = grid.zero.unsqueeze(1);
  const at::Tensor codes = layout.Split(layer.start->codes.to(at::kFloat));
  const at::Tensor nearest = (position.round() + zero).clamp(0, layer.spec.CodeMax());
  const at::Tensor real = layout.Split(at::ones_like(layer.weight));
  const at::Tensor moved = (nearest != codes).logical_and(real > 0);
  point.offset = at::where(moved, codes - zero - position, at::zeros_like(position));
  return point;
}

}  // namespace roundlab
