#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace roundlab {

// Where tensors live and products are made. One program serves both kinds of machine: it is linked
// to libtorch's CPU part, and the CUDA part is opened at run time, when a GPU is asked for.

/// A device as it is asked for: nullopt is auto (a GPU where there are a driver and libtorch's CUDA
/// part, else the CPU), a GPU without an index any.
using WantedDevice = std::optional<at::Device>;
/// Reads auto, cpu, cuda or cuda:N without looking at the machine. Throws Error naming these.
WantedDevice ParseDevice(const std::string& name);
/// The name that ParseDevice reads.
std::string DeviceText(const WantedDevice& wanted);

/// What is wrong with a GPU that is asked for, or "": driver, libtorch's CUDA part (which it
/// opens), its number.
std::string GpuProblem(const at::Device& device);
/// Why auto has `found` the CPU where a GPU's driver is installed, or "".
std::string UnusedGpuProblem(const at::Device& found);

/// The device that is meant. Opens libtorch's CUDA part for a GPU and makes its operations
/// deterministic. To be called before anything else of libtorch is used, since that looks for GPUs
/// once. choose: which of so many GPUs where that is open; by default the first. Throws Error
/// naming what is missing and the command that gets it.
at::Device FindDevice(const WantedDevice& wanted,
                      const std::function<std::int64_t(std::int64_t)>& choose = {});

/// Lets operations on GPUs sum in any order from here on, which is faster in attention's backward
/// pass: the same work then does not give the same bits.
void AllowAnyOrder();

/// Throws Error where the device's products can't be made in `dtype` (a GPU older than sm_80 has no
/// bfloat16, one older than sm_89 no float8).
void CheckDtype(const at::Device& device, at::ScalarType dtype);

/// Of a GPU, ten times its number: 90 of an H100; 0 on the CPU.
int ComputeCapability(const at::Device& device);

/// "NVIDIA H100 80GB HBM3", or "cpu".
std::string DeviceName(const at::Device& device);

/// A stream of random numbers of the device's own kind: a GPU draws others than the CPU does.
at::Generator MakeGenerator(const at::Device& device, std::uint64_t seed);

/// Waits until all work that was given to the device is done. Nothing on the CPU.
void Synchronize(const at::Device& device);

/// Bytes of the device's memory; all 0 on the CPU.
struct DeviceMemory {
  std::int64_t total = 0;
  std::int64_t free = 0;       ///< to this process, what libtorch holds without use included
  std::int64_t allocated = 0;  ///< by tensors
  std::int64_t peak = 0;       ///< the most that tensors had since the last ResetPeakMemory
};
DeviceMemory MemoryOf(const at::Device& device);
void ResetPeakMemory(const at::Device& device);
/// Gives what libtorch holds without use back to the device.
void ReleaseMemory(const at::Device& device);

/// Seconds between marks, by the device's own clock on a GPU: marks are queued like work, and
/// nothing is waited for until Seconds().
class DeviceTimer {
 public:
  explicit DeviceTimer(const at::Device& device);
  ~DeviceTimer();
  void Mark();
  std::vector<double> Seconds() const;  ///< one fewer than marks

 private:
  struct Marks;
  std::unique_ptr<Marks> marks_;
};

// Parts of the messages, for their tests.

/// What is wrong with `device` on a machine with `count` GPUs, or "".
std::string DeviceProblem(const at::Device& device, std::int64_t count);
/// What is wrong with products in `dtype` on a card of this compute capability, or "".
std::string DtypeProblem(const std::string& card, int major, int minor, at::ScalarType dtype);

}  // namespace roundlab
