#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/model/block.h"
#include "core/model/source.h"
#include "rounding/hidden_states.h"
#include "rounding/unit_loader.h"

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

  /// chain [rows, seq, hidden] <- Forward(chain), a few rows at a time, in the same memory. May
  /// throw Interrupted; throws Diverged, naming `what` the chain is and the first bad row, where an
  /// output is not finite.
  void Advance(const HiddenStates& chain, const std::string& what) const;

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

/// Thrown by an observer of a slot's inputs that has seen all it wants: the rest of the forward
/// pass is not needed.
struct ForwardReached {};

}  // namespace roundlab
