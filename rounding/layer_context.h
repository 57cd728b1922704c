#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/quant/grid.h"
#include "core/quant/groups.h"
#include "core/quant/quantized_weight.h"
#include "core/quant/spec.h"
#include "rounding/statistics.h"

namespace roundlab {

/// The range of weights [rows, width], one group a row, whose columns are `columns` [width] int64
/// of a layer: float32 [rows].
using ColumnRange = std::function<GroupRange(const at::Tensor& weights, const at::Tensor& columns)>;

/// What is known of a layer before its weights are.
struct LayerShape {
  std::string name;  ///< "model.layers.0.mlp.up_proj"
  std::int64_t out = 0;
  std::int64_t in = 0;
  QuantSpec spec;

  double Weights() const { return static_cast<double>(out) * static_cast<double>(in); }
  /// Weights of a group.
  double GroupWidth() const {
    const std::int64_t size = spec.group_size;
    return size > 0 ? static_cast<double>(size) : size == 0 ? Weights() : static_cast<double>(in);
  }
};

/// What a scheme or a range estimator may know of the layer it works on. A struct, so that a part
/// that needs more changes no other part.
struct LayerContext {
  std::string name;   ///< "model.layers.0.mlp.up_proj"
  at::Tensor weight;  ///< [out, in] float32
  QuantSpec spec;
  GroupRange range;        ///< of the weight's groups; undefined while it is being estimated
  std::uint64_t seed = 0;  ///< of this layer's random draws
  std::shared_ptr<const InputStatistics> inputs = {};  ///< null unless the part asked for some
  /// For schemes that group weights anew: what made `range`; empty: MinMaxRange did.
  ColumnRange range_of = {};
  /// Takes, in words, what the layer got in place of what was asked for; may be empty.
  std::function<void(const std::string&)> tell = {};
  at::ScalarType products = at::kFloat;  ///< what the model multiplies in
  /// The diagonal of the model's Fisher information, [out, in] float32, as DiagonalFisher has it;
  /// undefined unless the part asked for it.
  at::Tensor fisher = {};
  /// Inputs that were 0 in all calibration tokens, where a part so far has had them measured.
  std::optional<std::int64_t> dead_columns = {};
  /// What another scheme made of the layer, where the round stage says to start from it.
  std::shared_ptr<const QuantizedWeight> start = {};

  /// With its tensors there.
  LayerContext To(const at::Device& device) const {
    LayerContext moved = *this;
    if (weight.device() == device) return moved;
    moved.weight = weight.to(device);
    if (range.low.defined()) moved.range = {range.low.to(device), range.high.to(device)};
    if (inputs) moved.inputs = std::make_shared<const InputStatistics>(inputs->To(device));
    if (fisher.defined()) moved.fisher = fisher.to(device);
    if (start) moved.start = std::make_shared<const QuantizedWeight>(start->To(device));
    return moved;
  }

  LayerShape Shape() const { return {name, weight.size(0), weight.size(1), spec}; }
  GroupLayout Layout() const {
    return GroupLayout::For(weight.size(0), weight.size(1), spec.group_size);
  }
};

/// What a scheme or a range estimator needs of a run besides the weights.
struct LayerNeeds {
  StatisticsKinds inputs = {};
  Chain chain = Chain::kQuantized;
  /// Layers fed by one tensor are rounded before the inputs of the next are measured (GPTQ's true
  /// sequential order); otherwise all of a unit's inputs are measured with its unrounded weights.
  bool sequential = false;
  bool fisher = false;  ///< LayerContext::fisher, of the model before any stage
  bool start = false;   ///< LayerContext::start is begun from where it is there
};

}  // namespace roundlab
