#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "core/model/block.h"

namespace roundlab {

/// Gets what the i-th of the watched slots is fed, [..., in], before its quantizer.
using SeeInput = std::function<void(std::size_t i, const at::Tensor& x)>;

/// How far a forward pass goes that is watched.
enum class WatchUntil {
  kLast,  ///< no further than the last of the watched slots
  kEnd,
};

/// Runs `forward`, a pass through the slots' blocks, while `see` gets what these slots are fed.
void WatchSlots(const std::vector<LinearSlot*>& slots, const SeeInput& see, WatchUntil until,
                const std::function<void()>& forward);

}  // namespace roundlab
