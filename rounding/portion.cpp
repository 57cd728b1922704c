#include "rounding/portion.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/base/interrupt.h"

namespace roundlab {
namespace {

constexpr std::int64_t kRows = 8;  // sequences a forward pass takes

void ForRows(const at::Tensor& chain, const std::function<void(const at::Tensor&)>& work) {
  const at::NoGradGuard no_grad;
  for (std::int64_t row = 0; row < chain.size(0); row += kRows) {
    work(chain.narrow(0, row, std::min(kRows, chain.size(0) - row)));
    CheckInterrupt();
  }
}

}  // namespace

Portion::Portion(const ModelFiles& files, std::int64_t first, std::int64_t last,
                 const RopeTable& rope)
    : rope_(rope) {
  for (std::int64_t i = first; i <= last; ++i) blocks_.push_back(files.LoadBlock(i));
}

at::Tensor Portion::Forward(const at::Tensor& hidden) const {
  at::Tensor x = hidden;
  for (const auto& block : blocks_) x = block->Forward(x, rope_);
  return x;
}

std::vector<LinearSlot*> Portion::Slots() const {
  std::vector<LinearSlot*> slots;
  for (const auto& block : blocks_) {
    for (LinearSlot* slot : block->Linears()) slots.push_back(slot);
  }
  return slots;
}

void Portion::WithOriginalWeights(const std::function<void()>& work) const {
  std::vector<at::Tensor> chosen;
  for (LinearSlot* slot : Slots()) chosen.push_back(std::move(slot->effective));
  work();
  std::size_t i = 0;
  for (LinearSlot* slot : Slots()) slot->effective = std::move(chosen[i++]);
}

void Portion::Advance(const at::Tensor& chain) const {
  ForRows(chain, [this](const at::Tensor& rows) { rows.copy_(Forward(rows)); });
}

at::Tensor Portion::CaptureInputs(const at::Tensor& chain, LinearSlot* slot) const {
  std::vector<at::Tensor> seen;
  slot->on_input = [&](const at::Tensor& x) { seen.push_back(x.detach()); };
  ForRows(chain, [this](const at::Tensor& rows) { Forward(rows); });
  slot->on_input = {};
  return at::cat(seen, 0);
}

std::vector<at::Tensor> Portion::CaptureAllInputs(const at::Tensor& rows) const {
  const at::NoGradGuard no_grad;
  const std::vector<LinearSlot*> slots = Slots();
  std::vector<at::Tensor> seen(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i]->on_input = [&seen, i](const at::Tensor& x) { seen[i] = x.detach(); };
  }
  Forward(rows);
  for (LinearSlot* slot : slots) slot->on_input = {};
  return seen;
}

}  // namespace roundlab
