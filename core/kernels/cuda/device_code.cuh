#pragma once

// What the .cu files share. They include nothing else of CUDA, so that tests can compile them for the
// host, with tests/core/kernels/cuda_on_host.h in the place of CUDA's headers.

#include <cstdint>

#ifndef ROUNDLAB_CUDA_ON_HOST
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#define ROUNDLAB_LAUNCH(blocks, threads, stream, kernel, ...) \
  kernel<<<static_cast<unsigned>(blocks), threads, 0, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)

namespace roundlab::cuda {
using Half = __half;
using BFloat16 = __nv_bfloat16;
inline __device__ float ToFloat(float x) { return x; }
inline __device__ float ToFloat(Half x) { return __half2float(x); }
inline __device__ float ToFloat(BFloat16 x) { return __bfloat162float(x); }
template <class T>
__device__ T FromFloat(float x);
template <>
inline __device__ float FromFloat<float>(float x) { return x; }
template <>
inline __device__ Half FromFloat<Half>(float x) { return __float2half_rn(x); }
template <>
inline __device__ BFloat16 FromFloat<BFloat16>(float x) { return __float2bfloat16_rn(x); }
inline __device__ float RoundEven(float x) { return rintf(x); }
inline __device__ double RoundEven(double x) { return rint(x); }
inline __device__ std::int32_t FloatBits(float x) { return __float_as_int(x); }
inline __device__ float BitsFloat(std::int32_t bits) { return __int_as_float(bits); }
/// Two neighbors in e4m3, cut off at its largest number; NaN where they are not finite.
inline __device__ std::uint16_t Float8Pair(float a, float b) {
  const float2 pair = make_float2(a - a == 0.0F ? a : a - a, b - b == 0.0F ? b : b - b);
  return __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
}
}  // namespace roundlab::cuda
#endif

#include "core/kernels/cuda/interface.h"

namespace roundlab::cuda {

constexpr int kThreads = 256;
constexpr int kWarp = 32;

/// Neighbors that are read or written together: up to 16 bytes.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount < 16 ? sizeof(T) * kCount : 16) Pack {
  T v[kCount];
};
template <class T, int kCount>
__device__ Pack<T, kCount> Load(const void* from, std::int64_t place) {
  return *reinterpret_cast<const Pack<T, kCount>*>(static_cast<const T*>(from) + place);
}
template <class T, int kCount>
__device__ void Store(void* to, std::int64_t place, const Pack<T, kCount>& pack) {
  *reinterpret_cast<Pack<T, kCount>*>(static_cast<T*>(to) + place) = pack;
}

/// Neighboring float32 numbers, four at a time where there are so many.
template <int kCount>
__device__ Pack<float, kCount> LoadFloats(const float* from, std::int64_t place) {
  constexpr int kStep = kCount % 4 == 0 ? 4 : 1;
  Pack<float, kCount> all;
#pragma unroll
  for (int i = 0; i < kCount; i += kStep) {
    const auto some = Load<float, kStep>(from, place + i);
#pragma unroll
    for (int k = 0; k < kStep; ++k) all.v[i + k] = some.v[k];
  }
  return all;
}

/// x rounded to T.
template <class T>
__device__ float Rounded(float x) {
  return ToFloat(FromFloat<T>(x));
}

/// Sum over `lanes` neighboring lanes, a power of two; all get it. All lanes of a warp must come here.
template <class T>
__device__ T LaneSum(T x, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

inline std::int64_t Blocks(std::int64_t threads) { return (threads + kThreads - 1) / kThreads; }

/// Whether all of them can be read `bytes` at a time (null is).
template <class... P>
bool Aligned(int bytes, const P*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % static_cast<unsigned>(bytes) == 0) && ...);
}

/// Calls f with a value of the type that `dtype` names.
template <class F>
void WithType(Dtype dtype, F&& f) {
  if (dtype == Dtype::kFloat) return f(float{});
  if (dtype == Dtype::kHalf) return f(Half{});
  f(BFloat16{});
}

}  // namespace roundlab::cuda
