#include "tests/simulated_gpu/memory.h"

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Backtrace.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "tests/simulated_gpu/queues.h"
#include "tests/simulated_gpu/setting.h"

namespace simulated_gpu {
namespace {

std::mutex mutex;

struct Use {
  std::int64_t now = 0;
  std::int64_t most = 0;
};
std::array<Use, 16>& Uses() {
  static auto& uses = *new std::array<Use, 16>;
  return uses;
}

/// What is taken of a card, and the machine's memory that stands for it.
struct Taken {
  c10::Storage memory;
  std::size_t size;
  c10::Device card;
  c10::StreamId queue;
};

std::int64_t CardBytes() { return Setting("SIMULATED_GPU_MIB", 8192) << 20; }

std::int64_t Told() { return Setting("SIMULATED_GPU_TELL_MIB", 1 << 30) << 20; }

void Count(std::size_t size, c10::Device card) {
  const std::lock_guard lock(mutex);
  Use& use = Uses().at(static_cast<std::size_t>(card.index()));
  const auto more = static_cast<std::int64_t>(size);
  TORCH_CHECK_WITH(OutOfMemoryError, use.now + more <= CardBytes(),
                   "CUDA out of memory. Tried to allocate ", size, " bytes. GPU ",
                   static_cast<int>(card.index()), " has a total capacity of ", CardBytes(),
                   " bytes.");
  use.now += more;
  if (use.now > Told() && use.most <= Told()) {
    std::fputs(
        ("simulated GPU: more memory than SIMULATED_GPU_TELL_MIB\n" + c10::get_backtrace()).c_str(),
        stderr);
  }
  use.most = std::max(use.most, use.now);
}

void GiveBack(void* context) {
  auto* taken = static_cast<Taken*>(context);
  void* const begin = taken->memory.mutable_data();
  TheQueues().Release({begin, taken->size}, taken->queue);
  if (taken->size > 0) std::memset(begin, 0xff, taken->size);  // NaN, to whoever still reads it
  {
    const std::lock_guard lock(mutex);
    Uses().at(static_cast<std::size_t>(taken->card.index())).now -=
        static_cast<std::int64_t>(taken->size);
  }
  delete taken;
}

c10::DataPtr Take(c10::Storage memory, c10::Device card) {
  const std::size_t size = memory.nbytes();
  Count(size, card);
  auto* taken = new Taken{std::move(memory), size, card, CurrentQueue(card).id()};
  return {taken->memory.mutable_data(), taken, &GiveBack, card};
}

struct Memory : c10::DeviceAllocator {
  c10::DataPtr allocate(std::size_t size) override {
    const c10::Device card = c10::impl::VirtualGuardImpl(kCard).getDevice();
    c10::DataPtr memory = c10::GetCPUAllocator()->allocate(size);
    if (size > 0) std::memset(memory.get(), 0xff, size);  // NaN until something is written
    return Take(c10::Storage(c10::Storage::use_byte_size_t(), size, std::move(memory)), card);
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, std::size_t size) const override {
    default_copy_data(to, from, size);
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override {}
  void recordStream(const c10::DataPtr& /*memory*/, c10::Stream stream) override {
    TheQueues().Finish(stream.id());
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    const std::lock_guard lock(mutex);
    const Use& use = Uses().at(static_cast<std::size_t>(index));
    c10::CachingDeviceAllocator::DeviceStats stats;
    for (auto* all : {&stats.allocated_bytes[0], &stats.reserved_bytes[0]}) {
      all->current = use.now;
      all->peak = use.most;
    }
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex /*index*/) override {}
  void resetPeakStats(c10::DeviceIndex index) override {
    const std::lock_guard lock(mutex);
    Use& use = Uses().at(static_cast<std::size_t>(index));
    use.most = use.now;
  }
  std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex index) override {
    const std::lock_guard lock(mutex);
    const std::int64_t now = Uses().at(static_cast<std::size_t>(index)).now;
    return {static_cast<std::size_t>(CardBytes() - now), static_cast<std::size_t>(CardBytes())};
  }
};

std::map<const char*, std::size_t>& PinnedRanges() {
  static auto& ranges = *new std::map<const char*, std::size_t>;
  return ranges;
}

struct Pinned : c10::Allocator {
  c10::DataPtr allocate(std::size_t size) override {
    void* const memory = std::aligned_alloc(64, (size + 64) / 64 * 64);
    std::memset(memory, 0xff, size);
    const std::lock_guard lock(mutex);
    PinnedRanges()[static_cast<const char*>(memory)] = size;
    return {memory, memory, &Free, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, std::size_t size) const override {
    default_copy_data(to, from, size);
  }
  static void Free(void* memory) {
    const std::lock_guard lock(mutex);
    PinnedRanges().erase(static_cast<const char*>(memory));
    std::free(memory);
  }
};

}  // namespace

c10::DeviceAllocator& TheMemory() {
  static auto& memory = *new Memory;
  return memory;
}

c10::Allocator& PinnedMemory() {
  static auto& memory = *new Pinned;
  return memory;
}

bool IsPinned(const void* pointer) {
  const std::lock_guard lock(mutex);
  const auto* place = static_cast<const char*>(pointer);
  auto after = PinnedRanges().upper_bound(place);
  if (after == PinnedRanges().begin()) return false;
  --after;
  return place < after->first + std::max<std::size_t>(after->second, 1);
}

at::Tensor Moved(const at::Tensor& t, c10::Device card) {
  c10::Storage storage(c10::Storage::use_byte_size_t(), t.storage().nbytes(),
                       Take(t.storage(), card), &TheMemory());
  auto moved = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CUDA), t.dtype());
  moved.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
  return moved;
}

c10::Stream CurrentQueue(c10::Device card) {
  return c10::impl::VirtualGuardImpl(kCard).getStream(card);
}

}  // namespace simulated_gpu
