#pragma once

#include "core/config/registry.h"
#include "core/quant/grid.h"
#include "rounding/layer_context.h"
#include "rounding/work.h"

namespace roundlab {

/// Chooses the range that each group's grid covers, from the weights and, where it says so, from
/// statistics of what the layer is fed.
class RangeEstimator {
 public:
  virtual ~RangeEstimator() = default;
  /// Of layer.Layout()'s groups: float32 [groups], low <= 0 <= high. layer.range is undefined. Not
  /// called with a grid that it does not search on.
  virtual GroupRange Estimate(const LayerContext& layer) const = 0;
  /// Whether it searches on such a grid; on another the range is min-max. What looks at rounding
  /// errors knows even steps only.
  virtual bool SearchesOn(GridKind grid) const { return grid != GridKind::kPower; }
  /// Whether layers may be on a GPU; else they come on the CPU.
  virtual bool AnyDevice() const { return false; }
  /// What Estimate does beyond a few passes over the weights, statistics not counted.
  virtual Work WorkOn(const LayerShape& /*layer*/) const { return {}; }
  /// What Estimate needs to find in LayerContext::inputs.
  virtual LayerNeeds Uses() const { return {}; }
};

/// estimator.Estimate(layer). Throws Error, beginning with the layer's name, for what is no range
/// of the layer's groups.
GroupRange EstimatedRange(const RangeEstimator& estimator, const LayerContext& layer);

/// `estimator`, which must live on, for any groups of the columns of `layer`, whose `inputs` are
/// what the estimator uses: it works where the layer is, the groups may be elsewhere.
ColumnRange RangeOfColumns(const RangeEstimator& estimator, const LayerContext& layer);

using RangeRegistry = Registry<RangeEstimator>;
using RangeRecipe = Recipe<RangeEstimator>;

/// awq_clip, minmax, mse, mse_2d, scale_search.
RangeRegistry& RangeEstimators();

}  // namespace roundlab
