#pragma once

#include <ATen/core/Tensor.h>

#include "rounding/layer_context.h"

namespace roundlab {

/// What a scheme with offsets begins from so that its first codes are those of another.
struct StartingPoint {
  GroupRange range;   ///< of which MakeGrid makes the start's grid
  at::Tensor offset;  ///< [groups, width], V of code = clamp(round(w / s + V) + z, 0, 2^bits - 1)
};

/// That of layer.start, which must be there. V is 0 where nearest codes are the start's, and else
/// puts the weight in the middle of its code. Throws Error, naming the layer, where the start is
/// more than codes on runs of columns (outliers, a low-rank pair, a codebook, another basis, groups
/// of columns that are no neighbours), or on a grid that quant.grid does not make.
StartingPoint StartingPointOf(const LayerContext& layer);

/// The same without V: throws for what no grid of runs of columns says.
void RequirePlainStart(const LayerContext& layer);

}  // namespace roundlab
