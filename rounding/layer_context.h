#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "core/quant/grid.h"
#include "core/quant/groups.h"
#include "core/quant/spec.h"
#include "rounding/statistics.h"

namespace roundlab {

/// What a scheme or a range estimator may know of the layer it works on. A struct, so that a part
/// that needs more changes no other part.
struct LayerContext {
  std::string name;   ///< "model.layers.0.mlp.up_proj"
  at::Tensor weight;  ///< [out, in] float32
  QuantSpec spec;
  GroupRange range;        ///< of the weight's groups; undefined while it is being estimated
  std::uint64_t seed = 0;  ///< of this layer's random draws
  std::shared_ptr<const InputStatistics> inputs = {};  ///< null unless Uses() asked for some

  GroupLayout Layout() const {
    return GroupLayout::For(weight.size(0), weight.size(1), spec.group_size);
  }
};

/// What a scheme or a range estimator needs of a run besides the weights.
struct LayerNeeds {
  StatisticsKinds inputs;
  Chain chain = Chain::kQuantized;
  /// Layers fed by one tensor are rounded before the inputs of the next are measured (GPTQ's true
  /// sequential order); otherwise all of a unit's inputs are measured with its unrounded weights.
  bool sequential = false;
};

}  // namespace roundlab
