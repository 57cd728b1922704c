#pragma once

#include <string>

#include "core/base/error.h"
#include "core/kernels/device.h"

namespace roundlab::testing {

/// Why a test that needs a GPU is skipped here, or "". Looked up while the binary starts, before
/// anything else of libtorch is used.
inline const std::string& GpuProblem() {
  static const std::string problem = [] {
    try {
      FindDevice(at::Device(at::kCUDA));
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  }();
  return problem;
}
inline const bool kLookedForGpu = GpuProblem().empty();

/// Whether that is tests/simulated_gpu, which is slow and has one order of sums.
inline bool IsSimulated() {
  return DeviceName(at::Device(at::kCUDA, 0)).rfind("simulated", 0) == 0;
}

}  // namespace roundlab::testing

/// At the head of a test that needs a GPU.
#define ROUNDLAB_NEEDS_GPU() \
  if (!::roundlab::testing::GpuProblem().empty()) GTEST_SKIP() << ::roundlab::testing::GpuProblem()
