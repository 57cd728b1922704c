#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/metrics/metric_sink.h"
#include "core/quant/quantized_weight.h"
#include "rounding/hidden_states.h"
#include "rounding/layer_context.h"
#include "rounding/unit.h"
#include "rounding/work_setting.h"

namespace roundlab {

/// A unit on its way through the stages: its blocks, what flows into them, and what was made of its
/// layers so far. Two chains of hidden states [rows, seq, hidden] reach it, where the stages want
/// them: that of the unquantized model and that of what is quantized.
class UnitWork {
 public:
  /// spare: what the unit before has left of setting.spare_chain.
  UnitWork(const WorkSetting& setting, const Unit& unit, HiddenStates original,
           HiddenStates quantized, HiddenStates spare, MetricSink* sink);

  const Unit& unit() const { return unit_; }
  const ModelSource& source() const { return *setting_.source; }
  Log& log() const { return *setting_.log; }
  MetricSink* sink() const { return sink_; }
  /// Measurements go to `sink` from now on; where they went before comes back.
  MetricSink* ExchangeSink(MetricSink* sink) { return std::exchange(sink_, sink); }
  /// Of this seed's random draws in the stage and unit or layer that `stream` names.
  std::uint64_t Seed(const std::string& stream) const;
  void Step(std::int64_t count = 1) const;  ///< so much progress is made
  /// The layers that quant does not skip.
  const std::vector<LinearSlot*>& Slots() const { return slots_; }
  /// The same in the order in which they run, those that one tensor feeds together.
  std::vector<std::vector<LinearSlot*>> SlotsByInput() const;
  /// How a layer is put on a grid; none where quant skips it.
  std::optional<QuantSpec> Spec(const LinearSlot& slot) const;
  /// What a scheme may know of a layer; its range is estimated. Throws Diverged where no scale of
  /// the layer's grid can hold it.
  LayerContext Context(const LinearSlot& slot, const LayerNeeds& needs);

  /// The hidden states that flow into the unit; those of the original chain until Targets().
  const HiddenStates& Inputs(Chain chain) const;
  /// Sends the original chain through the unquantized unit while `see` gets what these slots are
  /// fed. What comes out is kept beside it as Targets(), which saves the pass for them.
  void WatchOriginal(const std::vector<LinearSlot*>& slots, const Unit::SeeRows& see);
  /// What the unquantized unit puts out. The original chain, and what is measured of it, is to be
  /// had no longer unless `keep_inputs`, now or before.
  const HiddenStates& Targets(bool keep_inputs = false);
  /// What the unquantized unit makes of the quantized chain.
  HiddenStates TargetsOfQuantized() const;
  /// Of the inputs of these layers, measured in one pass where they are not known. Empty
  /// statistics (no tokens) for an expert that no token was sent to.
  void Measure(const std::vector<LinearSlot*>& slots, Chain chain);
  std::shared_ptr<const InputStatistics> Statistics(const LinearSlot& slot, Chain chain);

  /// Puts a layer's codes into the unit. Throws Diverged where they are not finite.
  void Keep(LinearSlot* slot, QuantizedWeight weight);
  /// The same where the slot has them, decoded, already: as the tuner leaves it.
  void KeepInstalled(LinearSlot* slot, QuantizedWeight weight);
  /// Made so far, by layer.
  std::map<std::string, QuantizedWeight>& weights() { return weights_; }
  /// After a transform: what is known of inputs no longer holds, and in the end all norms, biases
  /// and weights of layers that are not rounded are kept as tensors of the model.
  void Transformed();
  /// Changed tensors of the unit, see QuantizedModel::AddTensor.
  std::map<std::string, at::Tensor>& tensors() { return tensors_; }
  /// What is known of inputs behind `slot`, or of all of the quantized chain, no longer holds.
  void Changed(const LinearSlot& slot);
  void NewQuantizers();
  /// Whether a later stage will look at the unit's inputs.
  bool last_stage = false;
  /// For the last stage's outputs: a spare chain, else the quantized chain's memory, its inputs.
  HiddenStates RoomForOutputs();
  /// What flows out of the unit is there, in RoomForOutputs().
  void OutputsAreMade(const HiddenStates& outputs);
  /// Moves both chains behind the unit.
  void Finish();
  HiddenStates original() const { return targets_.defined() ? targets_ : original_; }
  HiddenStates quantized() const { return quantized_; }
  HiddenStates spare() const { return spare_; }

 private:
  using Key = std::pair<std::size_t, std::size_t>;  // block of the unit, its input
  Key KeyOf(const LinearSlot& slot) const { return keys_.at(&slot); }
  void KeepTransformed();
  void MeasureQuantized(const std::vector<LinearSlot*>& slots, bool beside_original,
                        std::vector<InputAccumulator>* sums);
  HiddenStates RoomForTargets();
  void MakeTargets(const HiddenStates& room, const std::vector<LinearSlot*>& slots = {},
                   const Unit::SeeRows& see = {});
  void DropOriginal();

  const WorkSetting& setting_;
  const Unit& unit_;
  HiddenStates original_;
  HiddenStates quantized_;
  HiddenStates spare_;
  HiddenStates targets_;
  bool keeps_inputs_ = false;
  bool advanced_ = false;
  bool transformed_ = false;
  MetricSink* sink_;
  std::vector<LinearSlot*> slots_;
  std::map<const LinearSlot*, Key> keys_;
  std::map<Chain, std::map<Key, std::shared_ptr<const InputStatistics>>> statistics_;
  std::map<Key, std::int64_t> dead_columns_;  // of inputs that were measured, whatever came later
  std::map<std::string, QuantizedWeight> weights_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace roundlab
