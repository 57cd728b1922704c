#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/model/block.h"
#include "core/model/source.h"

namespace roundlab {

/// Which blocks make a unit, and what it is called: "block_3", "blocks_4-5".
struct UnitPlan {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::string name;
};

/// The units that a model of `layers` blocks is cut into, `blocks` each; the last may be shorter.
std::vector<UnitPlan> PlanUnits(std::int64_t layers, std::int64_t blocks);

/// Some consecutive blocks of a model, loaded: what the pipeline has in memory at a time.
class Unit {
 public:
  /// Loads the blocks to `device`, where the rotary tables are and all it is fed.
  Unit(const ModelSource& source, const UnitPlan& plan, const RopeTable& rope,
       const at::Device& device = at::kCPU);

  const std::string& name() const { return name_; }
  at::Tensor Forward(const at::Tensor& hidden) const;
  std::vector<LinearSlot*> Slots() const;
  const std::vector<std::unique_ptr<DecoderBlock>>& blocks() const { return blocks_; }

  /// Runs `work` with the original weights in all slots and without quantizers of activations, then
  /// puts the chosen ones back.
  void WithOriginalWeights(const std::function<void()>& work) const;

  /// chain [rows, seq, hidden] <- Forward(chain), a few rows at a time, in the same memory. May
  /// throw Interrupted; throws Diverged, naming `what` the chain is and the first bad row, where an
  /// output is not finite.
  void Advance(const at::Tensor& chain, const std::string& what) const;

  /// What `slot` is fed when the unit runs over `chain`, for LinearSlot::Multiply: [rows, seq, in].
  /// Runs no further than it.
  at::Tensor CaptureInputs(const at::Tensor& chain, LinearSlot* slot) const;

  /// What each slot's weight multiplies, over a few rows.
  std::vector<at::Tensor> CaptureAllInputs(const at::Tensor& rows) const;

 private:
  std::string name_;
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
  const RopeTable& rope_;
};

/// Calls `work` for portions of `chain` [rows, ...] of a few rows each, without gradients. May
/// throw Interrupted.
void ForRows(const at::Tensor& chain,
             const std::function<void(const at::Tensor& rows, std::int64_t first)>& work);

/// Thrown by an observer of a slot's inputs that has seen all it wants: the rest of the forward
/// pass is not needed.
struct ForwardReached {};

}  // namespace roundlab
