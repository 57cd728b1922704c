#pragma once

// A warp of CUDA threads on the CPU: see cuda_on_host.h.

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "tests/core/kernels/stack_switch.h"

namespace roundlab::on_host {

struct Index {
  unsigned x = 0;
};

/// The warp that runs.
class Warp {
 public:
  static constexpr int kLanes = 32;

  Warp() {
    for (unsigned i = 0; i < kLanes; ++i) {
      stacks_[i].resize(128 * 1024);
      lanes_[i] = Begin(&stacks_[i], &Warp::Enter);
    }
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
  void Yield() { Switch(&lanes_[lane_], &scheduler_); }
  static void Enter();

  std::array<std::vector<char>, kLanes> stacks_;
  std::array<Place, kLanes> lanes_{};
  std::array<bool, kLanes> done_{};
  std::array<unsigned, kLanes> turns_{};
  std::array<std::array<double, kLanes>, 2>
      slots_{};  // a fast lane's next value, a slow one's last
  Place scheduler_{};
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

/// A lane runs one kernel after the other on its stack.
inline void Warp::Enter() {
  for (Warp& warp = TheWarp();; warp.Yield()) {
    (*warp.kernel_)();
    warp.done_[warp.lane_] = true;
  }
}

inline void Warp::Run(const std::function<void()>& kernel, unsigned first_thread) {
  kernel_ = &kernel;
  done_ = {};
  turns_ = {};
  for (bool any = true; any;) {
    any = false;
    for (lane_ = 0; lane_ < kLanes; ++lane_) {
      if (done_[lane_]) continue;
      thread_index.x = first_thread + lane_;
      Switch(&scheduler_, &lanes_[lane_]);
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
