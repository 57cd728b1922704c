#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/CachingDeviceAllocator.h>

// Part of the simulated GPU (README.md): its memory, which is the machine's.

namespace simulated_gpu {

constexpr c10::DeviceType kCard = c10::DeviceType::CUDA;

c10::DeviceAllocator& TheMemory();
c10::Allocator& PinnedMemory();
bool IsPinned(const void* pointer);

/// The same values as a tensor of the card that has taken over the memory of `t`.
at::Tensor Moved(const at::Tensor& t, c10::Device card);

c10::Stream CurrentQueue(c10::Device card);

}  // namespace simulated_gpu
