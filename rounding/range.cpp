#include "rounding/range.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// What is known of some columns of an input. Moments of pairs are left out: no range needs them.
InputStatistics ColumnsOf(const InputStatistics& all, const at::Tensor& columns) {
  InputStatistics some;
  some.tokens = all.tokens;
  const auto take = [&](const at::Tensor& t) {
    return t.defined() ? t.index_select(t.dim() - 1, columns) : t;
  };
  some.mean = take(all.mean);
  some.absolute_mean = take(all.absolute_mean);
  some.absolute_max = take(all.absolute_max);
  some.square_mean = take(all.square_mean);
  some.sample = take(all.sample);
  return some;
}

}  // namespace

GroupRange EstimatedRange(const RangeEstimator& estimator, const LayerContext& layer) {
  GroupRange range = estimator.SearchesOn(layer.spec.grid)
                         ? estimator.Estimate(layer)
                         : MinMaxRange(layer.Layout().Split(layer.weight));
  const std::int64_t groups = layer.Layout().Count();
  for (const at::Tensor* end : {&range.low, &range.high}) {
    if (end->defined() && end->dim() == 1 && end->size(0) == groups) continue;
    throw Error(layer.name + ": its range is not a low and a high of each of its " +
                std::to_string(groups) + " groups");
  }
  if (at::logical_or(range.low > 0, range.high < 0).any().item<bool>()) {
    throw Error(layer.name + ": its range does not go from 0 or less to 0 or more");
  }
  return range;
}

ColumnRange RangeOfColumns(const RangeEstimator& estimator, const LayerContext& layer) {
  LayerContext base = layer;
  base.spec.group_size = -1;
  base.range = {};
  return [&estimator, base](const at::Tensor& weights, const at::Tensor& columns) {
    LayerContext part = base;
    part.weight = weights.to(base.weight.device());
    if (base.inputs) {
      part.inputs = std::make_shared<InputStatistics>(
          ColumnsOf(*base.inputs, columns.to(base.weight.device())));
    }
    const GroupRange range = EstimatedRange(estimator, part);
    return GroupRange{range.low.to(weights.device()), range.high.to(weights.device())};
  };
}

}  // namespace roundlab
