// Part of the simulated GPU (README.md): what libtorch asks of a kind of device.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Generator.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <atomic>
#include <chrono>
#include <vector>

#include "tests/simulated_gpu/generator.h"
#include "tests/simulated_gpu/memory.h"
#include "tests/simulated_gpu/queues.h"
#include "tests/simulated_gpu/setting.h"

namespace simulated_gpu {
namespace {

c10::DeviceIndex CardCount() {
  return static_cast<c10::DeviceIndex>(Setting("SIMULATED_GPU_COUNT", 1));
}

thread_local c10::DeviceIndex current_card = 0;
thread_local std::vector<c10::StreamId> current_queues(16, 0);

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kCard; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return {kCard, current_card}; }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() < CardCount(), "no such card");
    if (device.index() >= 0) current_card = device.index();
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0) current_card = device.index();
  }
  c10::Stream getStream(c10::Device device) const override {
    const c10::DeviceIndex index = device.index() < 0 ? current_card : device.index();
    return c10::Stream(c10::Stream::UNSAFE, c10::Device(kCard, index),
                       current_queues.at(static_cast<std::size_t>(index)));
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, 0);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high*/) const override {
    static std::atomic<c10::StreamId> last = 0;
    return c10::Stream(c10::Stream::UNSAFE, device, ++last);
  }
  c10::Stream getNewStream(c10::Device device, int /*priority*/) const override {
    return getStreamFromGlobalPool(device, false);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const c10::Stream before = getStream(stream.device());
    current_queues.at(static_cast<std::size_t>(stream.device_index())) = stream.id();
    return before;
  }
  void* getStreamNativeHandle(const c10::Stream stream) const override {
    TheQueues().Finish(stream.id());  // a kernel of its own follows, after what is queued
    return nullptr;
  }
  void destroyEvent(void* event, const c10::DeviceIndex /*index*/) const noexcept override {
    delete static_cast<Mark*>(event);
  }
  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex /*index*/,
              const c10::EventFlag /*flag*/) const override {
    if (*event == nullptr) *event = new Mark;
    *static_cast<Mark*>(*event) = TheQueues().Now(stream.id());
  }
  void block(void* event, const c10::Stream& /*stream*/) const override { synchronizeEvent(event); }
  bool queryEvent(void* event) const override {
    synchronizeEvent(event);
    return true;
  }
  void synchronizeEvent(void* event) const override {
    if (event != nullptr) TheQueues().Await(*static_cast<Mark*>(event));
  }
  c10::DeviceIndex deviceCount() const noexcept override { return CardCount(); }
  bool queryStream(const c10::Stream& stream) const override {
    TheQueues().Finish(stream.id());
    return true;
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    TheQueues().Finish(stream.id());
  }
  void synchronizeDevice(const c10::DeviceIndex /*index*/) const override {
    TheQueues().FinishAll();
  }
  void recordDataPtrOnStream(const c10::DataPtr& memory, const c10::Stream& stream) const override {
    TheMemory().recordStream(memory, stream);
  }
  double elapsedTime(void* first, void* second, const c10::DeviceIndex /*index*/) const override {
    const auto time = static_cast<Mark*>(second)->when - static_cast<Mark*>(first)->when;
    return std::chrono::duration<double, std::milli>(time).count();
  }
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard);

/// libtorch looks for it by this name.
struct CUDAHooks : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs /*none*/) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasCUDART() const override { return true; }
  bool hasCuDNN() const override { return true; }
  bool hasCuSOLVER() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex /*index*/) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return CardCount(); }
  int getNumGPUs() const override { return CardCount(); }
  c10::DeviceIndex current_device() const override { return current_card; }
  c10::DeviceIndex getCurrentDevice() const override { return current_card; }
  bool isPinnedPtr(const void* pointer) const override { return IsPinned(pointer); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &PinnedMemory(); }
  c10::Allocator* getCUDADeviceAllocator() const override { return &TheMemory(); }
  at::Generator getNewGenerator(c10::DeviceIndex index) const override {
    return at::make_generator<CardGenerator>(index < 0 ? current_card : index);
  }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex /*index*/) const override {
    static const at::Generator kGenerator = at::make_generator<CardGenerator>(0);
    return kGenerator;
  }
  void deviceSynchronize(c10::DeviceIndex /*index*/) const override { TheQueues().FinishAll(); }
};
using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks);

const bool kHasMemory = [] {
  c10::SetAllocator(kCard, &TheMemory());
  return true;
}();

}  // namespace
}  // namespace simulated_gpu
