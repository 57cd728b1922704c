#include "rounding/unit.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "core/base/diverged.h"

namespace roundlab {
namespace {

/// What runs in place of a unit's original weights, taken away as long as this lives.
class PutAside {
 public:
  PutAside(std::vector<LinearSlot*> slots, const UnitBlocks& blocks)
      : slots_(std::move(slots)), blocks_(blocks) {
    for (LinearSlot* slot : slots_) {
      chosen_.push_back({std::exchange(slot->effective, {}),
                         std::exchange(slot->effective_bias, {}),
                         std::exchange(slot->quantizer, nullptr)});
    }
    for (const auto& block : blocks_) caches_.push_back(std::exchange(block->cache, {}));
  }
  PutAside(const PutAside&) = delete;
  PutAside& operator=(const PutAside&) = delete;
  ~PutAside() {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slots_[i]->effective = std::move(chosen_[i].weight);
      slots_[i]->effective_bias = std::move(chosen_[i].bias);
      slots_[i]->quantizer = std::move(chosen_[i].quantizer);
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) blocks_[i]->cache = std::move(caches_[i]);
  }

 private:
  struct Chosen {
    at::Tensor weight;
    at::Tensor bias;
    std::shared_ptr<const ActivationQuantizer> quantizer;
  };
  std::vector<LinearSlot*> slots_;
  const UnitBlocks& blocks_;
  std::vector<Chosen> chosen_;
  std::vector<CacheSlot> caches_;
};

}  // namespace

Unit::Unit(std::string name, UnitBlocks blocks, const RopeTable& rope)
    : name_(std::move(name)), blocks_(std::move(blocks)), rope_(rope) {}

Unit::Unit(const ModelSource& source, const UnitPlan& plan, const RopeTable& rope)
    : Unit(plan.name, LoadBlocks(source, plan, at::kCPU), rope) {}

at::Tensor Unit::Forward(const at::Tensor& hidden) const {
  at::Tensor x = hidden;
  for (const auto& block : blocks_) x = block->Forward(x, rope_);
  return x;
}

std::vector<LinearSlot*> Unit::Slots() const {
  std::vector<LinearSlot*> slots;
  for (const auto& block : blocks_) {
    for (LinearSlot* slot : block->Linears()) slots.push_back(slot);
  }
  return slots;
}

void Unit::WithOriginalWeights(const std::function<void()>& work) const {
  const PutAside aside(Slots(), blocks_);
  work();
}

void Unit::Watch(const HiddenStates& chain, const std::vector<LinearSlot*>& slots,
                 const SeeRows& see) const {
  ForRows(chain, [&](const at::Tensor& rows, std::int64_t first) {
    const auto seen = [&](std::size_t i, const at::Tensor& x) { see(i, x, first); };
    WatchSlots(slots, seen, WatchUntil::kLast, [&] { Forward(rows); });
  });
}

void Unit::Advance(const HiddenStates& chain, const HiddenStates& outputs, const std::string& what,
                   const std::vector<LinearSlot*>& slots, const SeeRows& see) const {
  std::vector<at::Tensor> finite;
  ForRows(chain, [&](const at::Tensor& rows, std::int64_t first) {
    at::Tensor made;
    const auto seen = [&](std::size_t i, const at::Tensor& x) { see(i, x, first); };
    WatchSlots(slots, seen, WatchUntil::kEnd, [&] { made = Forward(rows); });
    outputs.Write(first, made);
    finite.push_back(made.isfinite().flatten(1).all(1));
  });
  const at::Tensor all = at::cat(finite);
  if (all.all().item<bool>()) return;
  const auto row = all.logical_not().to(at::kByte).argmax().item<std::int64_t>();
  const bool half = chain.dtype() == at::kHalf;
  throw Diverged(name_ + ": hidden states of " + what + " are not finite, first in sequence " +
                 std::to_string(row) +
                 (half ? " (float16 ends at 65504; model.dtype bfloat16 and float32 do not)" : ""));
}

HiddenStates Unit::CaptureInputs(const HiddenStates& chain, LinearSlot* slot) const {
  return chain.Map([&](const at::Tensor& rows) {
    at::Tensor seen;
    const auto see = [&](std::size_t /*i*/, const at::Tensor& x) { seen = x.detach(); };
    WatchSlots({slot}, see, WatchUntil::kLast, [&] { Forward(rows); });
    return seen;
  });
}

std::vector<at::Tensor> Unit::CaptureAllInputs(const at::Tensor& rows) const {
  const at::NoGradGuard no_grad;
  const std::vector<LinearSlot*> slots = Slots();
  std::vector<at::Tensor> seen(slots.size());
  const auto see = [&](std::size_t i, const at::Tensor& x) {
    seen[i] = slots[i]->Quantized(x).detach();
  };
  WatchSlots(slots, see, WatchUntil::kLast, [&] { Forward(rows); });
  return seen;
}

}  // namespace roundlab
