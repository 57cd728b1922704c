#include "rounding/unit.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "core/base/diverged.h"
#include "core/base/interrupt.h"

namespace roundlab {
namespace {

constexpr std::int64_t kRows = 8;  // sequences a forward pass takes

}  // namespace

void ForRows(const at::Tensor& chain,
             const std::function<void(const at::Tensor& rows, std::int64_t first)>& work) {
  const at::NoGradGuard no_grad;
  for (std::int64_t row = 0; row < chain.size(0); row += kRows) {
    work(chain.narrow(0, row, std::min(kRows, chain.size(0) - row)), row);
    CheckInterrupt();
  }
}

std::vector<UnitPlan> PlanUnits(std::int64_t layers, std::int64_t blocks) {
  const std::int64_t size = std::max<std::int64_t>(blocks, 1);
  std::vector<UnitPlan> plan;
  for (std::int64_t first = 0; first < layers; first += size) {
    const std::int64_t last = std::min(layers, first + size) - 1;
    const std::string name = first == last
                                 ? "block_" + std::to_string(first)
                                 : "blocks_" + std::to_string(first) + "-" + std::to_string(last);
    plan.push_back({first, last, name});
  }
  return plan;
}

Unit::Unit(const ModelSource& source, const UnitPlan& plan, const RopeTable& rope,
           const at::Device& device)
    : name_(plan.name), rope_(rope) {
  for (std::int64_t i = plan.first; i <= plan.last; ++i) {
    blocks_.push_back(source.LoadBlock(i));
    blocks_.back()->To(device);
  }
}

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
  struct Chosen {
    at::Tensor weight;
    at::Tensor bias;
    std::shared_ptr<const ActivationQuantizer> quantizer;
  };
  std::vector<Chosen> chosen;
  std::vector<CacheSlot> caches;
  for (LinearSlot* slot : Slots()) {
    chosen.push_back({std::exchange(slot->effective, {}), std::exchange(slot->effective_bias, {}),
                      std::exchange(slot->quantizer, nullptr)});
  }
  for (const auto& block : blocks_) caches.push_back(std::exchange(block->cache, {}));
  work();
  std::size_t i = 0;
  for (LinearSlot* slot : Slots()) {
    Chosen& own = chosen[i++];
    slot->effective = std::move(own.weight);
    slot->effective_bias = std::move(own.bias);
    slot->quantizer = std::move(own.quantizer);
  }
  i = 0;
  for (const auto& block : blocks_) block->cache = std::move(caches[i++]);
}

void Unit::Advance(const at::Tensor& chain, const std::string& what) const {
  std::vector<at::Tensor> finite;
  ForRows(chain, [&](const at::Tensor& rows, std::int64_t /*first*/) {
    rows.copy_(Forward(rows));
    finite.push_back(rows.isfinite().flatten(1).all(1));
  });
  const at::Tensor all = at::cat(finite);
  if (all.all().item<bool>()) return;
  const auto row = all.logical_not().to(at::kByte).argmax().item<std::int64_t>();
  throw Diverged(name_ + ": hidden states of " + what + " are not finite, first in sequence " +
                 std::to_string(row));
}

at::Tensor Unit::CaptureInputs(const at::Tensor& chain, LinearSlot* slot) const {
  std::vector<at::Tensor> seen;
  slot->on_input = [&](const at::Tensor& x) {
    seen.push_back(x.detach());
    throw ForwardReached();
  };
  ForRows(chain, [this](const at::Tensor& rows, std::int64_t /*first*/) {
    try {
      Forward(rows);
    } catch (const ForwardReached&) {
    }
  });
  slot->on_input = {};
  return at::cat(seen, 0);
}

std::vector<at::Tensor> Unit::CaptureAllInputs(const at::Tensor& rows) const {
  const at::NoGradGuard no_grad;
  const std::vector<LinearSlot*> slots = Slots();
  std::vector<at::Tensor> seen(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i]->on_input = [&seen, &slots, i](const at::Tensor& x) {
      seen[i] = slots[i]->Quantized(x).detach();
    };
  }
  Forward(rows);
  for (LinearSlot* slot : slots) slot->on_input = {};
  return seen;
}

}  // namespace roundlab
