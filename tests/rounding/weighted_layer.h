#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "rounding/scheme.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab::testing {

inline QuantSpec FullRange(QuantSpec spec) {
  spec.grid = GridKind::kSymFull;
  return spec;
}

/// A layer that knows `columns`, the sum of squares of each input, where defined.
inline LayerContext WeightedLayer(const at::Tensor& weight, const QuantSpec& spec,
                                  const at::Tensor& columns) {
  LayerContext context = GoldenLayer(weight, FullRange(spec));
  if (!columns.defined()) return context;
  auto inputs = std::make_shared<InputStatistics>();
  inputs->tokens = 1;
  inputs->square_mean = columns;
  context.inputs = inputs;
  return context;
}

}  // namespace roundlab::testing
