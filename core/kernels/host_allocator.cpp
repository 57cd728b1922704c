#include "core/kernels/host_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace roundlab {
namespace {

constexpr std::size_t kAlign = 64;  // a line of the cache, a vector of AVX-512

/// Before a tensor's numbers lies the address that malloc gave.
class MallocAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &Free, c10::kCPU};
    constexpr std::size_t kMore = sizeof(void*) + kAlign - 1;
    const bool fits = bytes <= std::numeric_limits<std::ptrdiff_t>::max() - kMore;
    void* const block = fits ? std::malloc(bytes + kMore) : nullptr;
    TORCH_CHECK_WITH(OutOfMemoryError, block != nullptr, "CPU out of memory. Tried to allocate ",
                     bytes, " bytes.");
    const auto first = reinterpret_cast<std::uintptr_t>(block) + sizeof(void*);
    void* const data = reinterpret_cast<void*>((first + kAlign - 1) / kAlign * kAlign);
    static_cast<void**>(data)[-1] = block;
    return {data, data, &Free, c10::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static void Free(void* data) {
    if (data != nullptr) std::free(static_cast<void**>(data)[-1]);
  }
};

}  // namespace

void TakeTensorsFromMalloc() {
  static MallocAllocator allocator;
  c10::SetCPUAllocator(&allocator, std::numeric_limits<std::uint8_t>::max());
}

}  // namespace roundlab
