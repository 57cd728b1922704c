#pragma once

// Runs the .cu files on the CPU, compiled by the host's compiler: blocks and warps one after the
// other, the lanes of a warp as fibers that meet where they exchange values. For what kernels
// compute, not for how fast. A kernel whose lanes leave a warp at different exchanges is not for
// this.

#define ROUNDLAB_CUDA_ON_HOST

#include <c10/util/BFloat16.h>
#include <c10/util/Float8_e4m3fn.h>
#include <c10/util/Half.h>
#include <ucontext.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(...)

namespace roundlab::on_host {

struct Index {
  unsigned x = 0;
};

/// The warp that runs.
class Warp {
 public:
  static constexpr int kLanes = 32;

  Warp() {
    for (auto& stack : stacks_) stack.resize(128 * 1024);
  }

  void Run(const std::function<void()>& kernel, unsigned first_thread);
  /// What lane ^ mask gives; all lanes that still run meet here.
  template <class T>
  T Exchange(T value, int mask) {
    static_assert(sizeof(T) <= sizeof(double));
    auto& slots = slots_[turns_[lane_]++ % 2];
    std::memcpy(&slots[lane_], &value, sizeof value);
    Yield();
    T other;
    std::memcpy(&other, &slots[lane_ ^ static_cast<unsigned>(mask)], sizeof other);
    return other;
  }

 private:
  void Yield() { swapcontext(&lanes_[lane_], &scheduler_); }
  static void Enter();

  std::array<std::vector<char>, kLanes> stacks_;
  std::array<ucontext_t, kLanes> lanes_{};
  std::array<bool, kLanes> done_{};
  std::array<unsigned, kLanes> turns_{};
  std::array<std::array<double, kLanes>, 2>
      slots_{};  // a fast lane's next value, a slow one's last
  ucontext_t scheduler_{};
  unsigned lane_ = 0;
  const std::function<void()>* kernel_ = nullptr;
};

inline Warp& TheWarp() {
  static Warp warp;
  return warp;
}
inline Index thread_index;
inline Index block_index;
inline Index grid_size;

inline void Warp::Enter() {
  Warp& warp = TheWarp();
  (*warp.kernel_)();
  warp.done_[warp.lane_] = true;
  swapcontext(&warp.lanes_[warp.lane_], &warp.scheduler_);
}

inline void Warp::Run(const std::function<void()>& kernel, unsigned first_thread) {
  kernel_ = &kernel;
  done_ = {};
  turns_ = {};
  for (unsigned i = 0; i < kLanes; ++i) {
    getcontext(&lanes_[i]);
    lanes_[i].uc_stack.ss_sp = stacks_[i].data();
    lanes_[i].uc_stack.ss_size = stacks_[i].size();
    makecontext(&lanes_[i], &Warp::Enter, 0);
  }
  for (bool any = true; any;) {
    any = false;
    for (lane_ = 0; lane_ < kLanes; ++lane_) {
      if (done_[lane_]) continue;
      thread_index.x = first_thread + lane_;
      swapcontext(&scheduler_, &lanes_[lane_]);
      any = true;
    }
  }
}

inline void Launch(std::int64_t blocks, int threads, const std::function<void()>& kernel) {
  grid_size.x = static_cast<unsigned>(blocks);
  for (unsigned block = 0; block < grid_size.x; ++block) {
    block_index.x = block;
    for (unsigned first = 0; first < static_cast<unsigned>(threads); first += Warp::kLanes) {
      TheWarp().Run(kernel, first);
    }
  }
}

}  // namespace roundlab::on_host

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
