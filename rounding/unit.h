#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/model/block.h"
#include "core/model/source.h"
#include "core/model/unit_loader.h"
#include "rounding/hidden_states.h"
#include "rounding/watch.h"

namespace roundlab {

/// Some consecutive blocks of a model, loaded: what the pipeline has in memory at a time.
class Unit {
 public:
  /// Of blocks on the device where the rotary tables are and to which all that it is fed comes.
  Unit(std::string name, UnitBlocks blocks, const RopeTable& rope);
  /// Loads the blocks to the CPU.
  Unit(const ModelSource& source, const UnitPlan& plan, const RopeTable& rope);

  const std::string& name() const { return name_; }
  at::Tensor Forward(const at::Tensor& hidden) const;
  std::vector<LinearSlot*> Slots() const;
  const UnitBlocks& blocks() const { return blocks_; }

  /// Runs `work` with the original weights in all slots and without quantizers of activations, then
  /// puts the chosen ones back.
  void WithOriginalWeights(const std::function<void()>& work) const;

  /// Gets what the i-th of the watched slots is fed of the rows from `first` on.
  using SeeRows = std::function<void(std::size_t i, const at::Tensor& x, std::int64_t first)>;
  /// Sends `chain` [rows, seq, hidden] through the unit, a few rows at a time and no further than
  /// the last of these slots, while `see` gets what they are fed. May throw Interrupted.
  void Watch(const HiddenStates& chain, const std::vector<LinearSlot*>& slots,
             const SeeRows& see) const;
  /// The same to the end: outputs <- Forward(chain), which may be one. Throws Diverged, naming
  /// `what` the chain is of and the first bad row, where an output is not finite.
  void Advance(const HiddenStates& chain, const HiddenStates& outputs, const std::string& what,
               const std::vector<LinearSlot*>& slots = {}, const SeeRows& see = {}) const;

  /// What `slot` is fed when the unit runs over `chain`, for LinearSlot::Multiply: [rows, seq, in].
  /// Runs no further than it. They lie where the chain does.
  HiddenStates CaptureInputs(const HiddenStates& chain, LinearSlot* slot) const;

  /// What each slot's weight multiplies, over a few rows.
  std::vector<at::Tensor> CaptureAllInputs(const at::Tensor& rows) const;

 private:
  std::string name_;
  UnitBlocks blocks_;
  const RopeTable& rope_;
};

}  // namespace roundlab
