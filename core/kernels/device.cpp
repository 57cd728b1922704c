#include "core/kernels/device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <charconv>
#include <chrono>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/kernels/cuda/load.h"

namespace roundlab {
namespace {

using Clock = std::chrono::steady_clock;

c10::impl::VirtualGuardImpl Guard(const at::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type());
}

/// The same work gives the same bits where an operation has a way to that, and a warning where it
/// has none. Attention's backward pass takes its way only where others would be refused: see
/// device_attention.cpp. cuBLAS looks at its variable when it is first used.
void MakeDeterministic() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  at::globalContext().setDeterministicAlgorithms(true, true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

}  // namespace

void AllowAnyOrder() { at::globalContext().setDeterministicAlgorithms(false, false); }

WantedDevice ParseDevice(const std::string& name) {
  if (name == "auto") return std::nullopt;
  if (name == "cpu") return at::Device(at::kCPU);
  if (name == "cuda") return at::Device(at::kCUDA);
  if (name.rfind("cuda:", 0) == 0 && name.size() > 5) {
    int index = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + 5, end, index);
    if (parsed.ec == std::errc() && parsed.ptr == end && index >= 0 && index < 128 &&
        (name[5] != '0' || name.size() == 6)) {
      return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
    }
    throw Error("device '" + name + "': expected a number from 0 on after 'cuda:'");
  }
  throw Error("unknown device '" + name + "'" +
              SuggestionSuffix(name, {"auto", "cpu", "cuda", "cuda:0"}));
}

std::string DeviceProblem(const at::Device& device, std::int64_t count) {
  if (device.is_cpu() || device.index() < count) return "";
  return "device cuda:" + std::to_string(device.index()) + ": this machine has " +
         std::to_string(count) +
         (count == 1 ? " GPU, cuda:0" : " GPUs, cuda:0 to cuda:" + std::to_string(count - 1));
}

std::string DeviceText(const WantedDevice& wanted) { return wanted ? wanted->str() : "auto"; }

std::string GpuProblem(const at::Device& device) {
  const std::string problem = cuda::LoadLibtorch();
  if (!problem.empty()) return "device " + device.str() + ": " + problem;
  return DeviceProblem(device, at::detail::getCUDAHooks().deviceCount());
}

std::string UnusedGpuProblem(const at::Device& found) {
  return found.is_cpu() && cuda::DriverProblem().empty() ? cuda::LoadLibtorch() : "";
}

at::Device FindDevice(const WantedDevice& wanted,
                      const std::function<std::int64_t(std::int64_t)>& choose) {
  at::Device device = wanted.value_or(at::Device(at::kCUDA));
  if (device.is_cpu()) return device;
  const std::string problem = GpuProblem(device);
  if (!problem.empty()) {
    if (!wanted) return at::kCPU;
    throw Error(problem);
  }
  if (device.index() < 0) {
    const std::int64_t count = at::detail::getCUDAHooks().deviceCount();
    device.set_index(static_cast<at::DeviceIndex>(choose ? choose(count) : 0));
  }
  MakeDeterministic();
  Guard(device).setDevice(device);
  at::globalContext().lazyInitDevice(device.type());  // its memory is asked for before it is used
  return device;
}

std::string DtypeProblem(const std::string& card, int major, int minor, at::ScalarType dtype) {
  const std::string it = card + " (compute capability " + std::to_string(major) + "." +
                         std::to_string(minor) + ") has no ";
  if (dtype == at::kBFloat16 && major < 8) {
    return "dtype bfloat16: " + it + "bfloat16 products, which need 8.0; use float16 or float32";
  }
  if (dtype == at::kFloat8_e4m3fn && 10 * major + minor < 89) {
    return "gradient_precision float8: " + it +
           "8-bit floating-point products, which need 8.9; use bfloat16 or products";
  }
  return "";
}

void CheckDtype(const at::Device& device, at::ScalarType dtype) {
  if (!device.is_cuda()) return;
  const int capability = ComputeCapability(device);
  const std::string problem =
      DtypeProblem(DeviceName(device), capability / 10, capability % 10, dtype);
  if (!problem.empty()) throw Error(problem);
}

int ComputeCapability(const at::Device& device) {
  return device.is_cuda() ? cuda::Capability(device.index()) : 0;
}

std::string DeviceName(const at::Device& device) {
  if (device.is_cpu()) return "cpu";
  using Get = int (*)(char*, int, int);
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  const auto get =
      reinterpret_cast<Get>(driver == nullptr ? nullptr : dlsym(driver, "cuDeviceGetName"));
  char text[256] = {};
  ROUNDLAB_CHECK(get != nullptr && get(text, 255, device.index()) == 0, "cuDeviceGetName");
  return text;
}

at::Generator MakeGenerator(const at::Device& device, std::uint64_t seed) {
  if (device.is_cpu()) return at::detail::createCPUGenerator(seed);
  at::Generator generator = at::globalContext()
                                .getAcceleratorHooksInterface(device.type())
                                .getNewGenerator(device.index());
  generator.set_current_seed(seed);
  return generator;
}

void Synchronize(const at::Device& device) {
  if (device.is_cuda()) Guard(device).synchronizeDevice(device.index());
}

DeviceMemory MemoryOf(const at::Device& device) {
  if (!device.is_cuda()) return {};
  auto* allocator = at::getDeviceAllocator(device.type());
  const auto stats = allocator->getDeviceStats(device.index());
  const auto [free, total] = allocator->getMemoryInfo(device.index());
  const auto& allocated = stats.allocated_bytes[0];
  const std::int64_t held = stats.reserved_bytes[0].current - allocated.current;
  return {static_cast<std::int64_t>(total), static_cast<std::int64_t>(free) + held,
          allocated.current, allocated.peak};
}

void ResetPeakMemory(const at::Device& device) {
  if (device.is_cuda()) at::getDeviceAllocator(device.type())->resetPeakStats(device.index());
}

void ReleaseMemory(const at::Device& device) {
  if (device.is_cuda()) at::getDeviceAllocator(device.type())->emptyCache();
}

struct DeviceTimer::Marks {
  at::Device device;
  std::vector<Clock::time_point> times;
  std::vector<std::unique_ptr<c10::Event>> events;
};

DeviceTimer::DeviceTimer(const at::Device& device)
    : marks_(std::make_unique<Marks>(Marks{device, {}, {}})) {}
DeviceTimer::~DeviceTimer() = default;

void DeviceTimer::Mark() {
  if (!marks_->device.is_cuda()) {
    marks_->times.push_back(Clock::now());
    return;
  }
  const auto guard = Guard(marks_->device);
  marks_->events.push_back(
      std::make_unique<c10::Event>(marks_->device.type(), c10::EventFlag::BACKEND_DEFAULT));
  marks_->events.back()->record(guard.getStream(marks_->device));
}

std::vector<double> DeviceTimer::Seconds() const {
  std::vector<double> seconds;
  const auto& [device, times, events] = *marks_;
  for (std::size_t i = 1; i < times.size(); ++i) {
    seconds.push_back(std::chrono::duration<double>(times[i] - times[i - 1]).count());
  }
  if (!events.empty()) events.back()->synchronize();
  for (std::size_t i = 1; i < events.size(); ++i) {
    seconds.push_back(events[i - 1]->elapsedTime(*events[i]) / 1e3);
  }
  return seconds;
}

}  // namespace roundlab
