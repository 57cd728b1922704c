#pragma once

// Runs the .cu files on the CPU, compiled by the host's compiler: blocks and warps one after the
// other, the lanes of a warp as fibers that meet where they exchange values. For what kernels
// compute, not for how fast. A kernel whose lanes leave a warp at different exchanges is not for
// this.

#define ROUNDLAB_CUDA_ON_HOST

#include <c10/util/BFloat16.h>
#include <c10/util/Float8_e4m3fn.h>
#include <c10/util/Half.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "tests/core/kernels/warp_on_host.h"

#define __global__
#define __device__
#define __launch_bounds__(...)

#define threadIdx ::roundlab::on_host::thread_index
#define blockIdx ::roundlab::on_host::block_index
#define gridDim ::roundlab::on_host::grid_size
#define ROUNDLAB_LAUNCH(blocks, threads, stream, kernel, ...) \
  ::roundlab::on_host::Launch(blocks, threads, [&] { (kernel)(__VA_ARGS__); })

template <class T>
T __shfl_xor_sync(unsigned /*mask*/, T value, int lane_mask) {
  return ::roundlab::on_host::TheWarp().Exchange(value, lane_mask);
}
inline void atomicMax(std::int32_t* place, std::int32_t value) {
  *place = *place < value ? value : *place;
}
inline void __syncwarp() { ::roundlab::on_host::TheWarp().Exchange(0, 0); }

using cudaError_t = int;
inline cudaError_t cudaGetLastError() { return 0; }
inline const char* cudaGetErrorString(cudaError_t /*code*/) { return "on the host"; }
struct ulonglong2 {
  std::uint64_t x, y;
};

namespace roundlab::cuda {
using Half = c10::Half;
using BFloat16 = c10::BFloat16;
inline float ToFloat(float x) { return x; }
inline float ToFloat(Half x) { return x; }
inline float ToFloat(BFloat16 x) { return x; }
template <class T>
T FromFloat(float x) {
  return T(x);
}
inline float RoundEven(float x) { return std::nearbyint(x); }
inline double RoundEven(double x) { return std::nearbyint(x); }
inline std::int32_t FloatBits(float x) { return std::bit_cast<std::int32_t>(x); }
inline float BitsFloat(std::int32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint16_t Float8Pair(float a, float b) {
  const auto bits = [](float x) {
    const float finite = std::isfinite(x) ? std::fmax(-448.0F, std::fmin(448.0F, x)) : NAN;
    return c10::Float8_e4m3fn(finite).x;
  };
  return static_cast<std::uint16_t>(bits(a) | bits(b) << 8);
}
}  // namespace roundlab::cuda
