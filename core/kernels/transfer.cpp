#include "core/kernels/transfer.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace roundlab {
namespace {

/// A device's queue of copies, the same for all.
c10::Stream CopyStream(const at::Device& device) {
  static std::mutex mutex;
  static std::map<at::DeviceIndex, c10::Stream> streams;
  const std::lock_guard lock(mutex);
  const auto known = streams.find(device.index());
  if (known != streams.end()) return known->second;
  const c10::Stream stream =
      c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  return streams.emplace(device.index(), stream).first->second;
}

/// Lets this thread's work go to a queue for as long as it lives.
class InStream {
 public:
  explicit InStream(const c10::Stream& stream)
      : guard_(stream.device_type()), before_(guard_.exchangeStream(stream)) {}
  ~InStream() { guard_.exchangeStream(before_); }
  InStream(const InStream&) = delete;
  InStream& operator=(const InStream&) = delete;

 private:
  c10::impl::VirtualGuardImpl guard_;
  c10::Stream before_;
};

c10::Stream CurrentStream(const at::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

/// Memory that a GPU reads and writes is filled by several threads: one moves less than it takes.
void CopyBytes(void* to, const void* from, std::size_t bytes) {
  constexpr std::size_t kPortion = std::size_t{32} << 20;
  std::vector<std::future<void>> others;
  for (std::size_t begin = kPortion; begin < bytes; begin += kPortion) {
    others.push_back(std::async(std::launch::async, [=] {
      std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                  std::min(kPortion, bytes - begin));
    }));
  }
  std::memcpy(to, from, std::min(kPortion, bytes));
  for (auto& other : others) other.get();
}

at::Tensor PinnedLike(const at::Tensor& t) {
  return at::empty(t.sizes(), at::TensorOptions().dtype(t.scalar_type()).pinned_memory(true));
}

bool PlainMemory(const at::Tensor& t) { return t.is_cpu() && !t.is_pinned(); }

}  // namespace

void CopyPlainly(const at::Tensor& from, const at::Tensor& to) {
  if (from.is_cpu() && to.is_cpu()) {
    std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes());
  } else if (to.is_cuda() && PlainMemory(from)) {
    const at::Tensor between = PinnedLike(from);
    CopyBytes(between.mutable_data_ptr(), from.const_data_ptr(), from.nbytes());
    to.copy_(between, /*non_blocking=*/true);
  } else if (from.is_cuda() && PlainMemory(to)) {
    const at::Tensor between = PinnedLike(to);
    between.copy_(from, /*non_blocking=*/true);
    CurrentStream(from.device()).synchronize();
    CopyBytes(to.mutable_data_ptr(), between.const_data_ptr(), from.nbytes());
  } else {
    to.copy_(from, /*non_blocking=*/true);
  }
}

at::Tensor ToPlainMemory(const at::Tensor& t) {
  if (!t.is_cuda()) return t;
  at::Tensor copy = at::empty(t.sizes(), at::TensorOptions().dtype(t.scalar_type()));
  CopyPlainly(t.contiguous(), copy);
  return copy;
}

struct Transfer::State {
  /// Of the device's work before and of the copies.
  struct Events {
    explicit Events(c10::DeviceType type)
        : begin(type, c10::EventFlag::BACKEND_DEFAULT),
          end(type, c10::EventFlag::BACKEND_DEFAULT) {}
    c10::Event begin;
    c10::Event end;
  };

  at::Device device;
  std::unique_ptr<Events> events{};  // of a GPU
  std::shared_future<void> queued{};
};

Transfer::Transfer(const at::Device& device, std::function<void()> copy)
    : state_(std::make_unique<State>(State{device})) {
  State& state = *state_;
  if (!device.is_cuda()) {
    state.queued = std::async(std::launch::async, std::move(copy)).share();
    return;
  }
  state.events = std::make_unique<State::Events>(device.type());
  state.events->begin.record(CurrentStream(device));
  state.queued = std::async(std::launch::async, [&state, copy = std::move(copy)] {
                   const c10::OptionalDeviceGuard here(state.device);
                   const c10::Stream stream = CopyStream(state.device);
                   const InStream in(stream);
                   state.events->begin.block(stream);
                   try {
                     copy();
                   } catch (...) {
                     stream.synchronize();  // memory of copies that are queued is given back
                     throw;
                   }
                   state.events->end.record(stream);
                 }).share();
}

Transfer::~Transfer() {
  try {
    Await();
  } catch (...) {  // NOLINT(bugprone-empty-catch): who wanted to know has asked
  }
}

void Transfer::AwaitQueued() const { state_->queued.get(); }

void Transfer::Await() const {
  AwaitQueued();
  if (state_->events) state_->events->end.block(CurrentStream(state_->device));
}

void Transfer::Wait() const {
  AwaitQueued();
  if (state_->events) state_->events->end.synchronize();
}

}  // namespace roundlab
