#include "core/model/unit_loader.h"

#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <utility>

#include "core/base/error.h"

namespace roundlab {

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

void CastLinears(at::ScalarType dtype, DecoderBlock* block) {
  for (LinearSlot* slot : block->Linears()) slot->weight = slot->weight.to(dtype);
}

UnitBlocks LoadBlocks(const ModelSource& source, const UnitPlan& plan, const at::Device& device) {
  UnitBlocks blocks;
  for (std::int64_t i = plan.first; i <= plan.last; ++i) {
    blocks.push_back(source.LoadBlock(i));
    blocks.back()->To(device);
  }
  return blocks;
}

UnitLoader::UnitLoader(const ModelSource& source, std::vector<UnitPlan> units,
                       const at::Device& device, Change change)
    : source_(source), units_(std::move(units)), device_(device), change_(std::move(change)) {}

UnitLoader::~UnitLoader() = default;

void UnitLoader::Begin() {
  // What the device makes itself is there at once, and would take twice its memory ahead of time.
  if (next_ == units_.size() || !source_.device().is_cpu()) return;
  ahead_ = std::async(std::launch::async, [this, &plan = units_[next_]] {
    // A thread begins on the first GPU, and pinning would open that.
    const c10::OptionalDeviceGuard here(device_.is_cuda() ? std::make_optional(device_)
                                                          : std::nullopt);
    UnitBlocks blocks = LoadBlocks(source_, plan, at::kCPU);
    for (const auto& block : blocks) {
      if (!change_.hook) CastLinears(change_.dtype, block.get());  // else it wants them as they are
      if (device_.is_cuda()) block->Pin();
    }
    return blocks;
  });
}

UnitBlocks UnitLoader::Next() {
  ROUNDLAB_CHECK(next_ < units_.size(), "a unit that is left");
  const UnitPlan& plan = units_[next_];
  UnitBlocks blocks = ahead_.valid() ? ahead_.get() : LoadBlocks(source_, plan, device_);
  for (const auto& block : blocks) {
    if (change_.hook) change_.hook(block.get());
    block->To(device_);
    CastLinears(change_.dtype, block.get());
  }
  ++next_;
  Begin();
  return blocks;
}

}  // namespace roundlab
