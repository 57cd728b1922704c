// The inner loop of GPTQ: columns one after the other, a warp a row. Rows do not depend on one another, and
// a lane has every 32nd of the columns on the right.

#include "core/kernels/cuda/device_code.cuh"

namespace roundlab::cuda {
namespace {

template <class T>
__global__ void Feedback(FeedbackJob job) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  if (row >= job.rows) return;  // all lanes of a warp together
  T* const w = static_cast<T*>(job.weight) + row * job.width;
  const T* const scale = static_cast<const T*>(job.scale) + row * job.groups;
  const T* const zero = static_cast<const T*>(job.zero) + row * job.groups;
  const T code_max = static_cast<T>(job.code_max);
  for (std::int64_t i = job.begin; i < job.end; ++i) {
    const T s = scale[job.group[i]];
    const T z = zero[job.group[i]];
    const T* const u = static_cast<const T*>(job.factor) + i * job.width;
    const T before = w[i];
    T code = RoundEven(before / s) + z;
    code = code < 0 ? T(0) : (code > code_max ? code_max : code);
    const T e = (before - s * (code - z)) / u[i];
    __syncwarp();  // all have read w[i], which one of them changes now
    for (std::int64_t j = i + lane; j < job.width; j += kWarp) w[j] -= e * u[j];
    if (job.shift != nullptr) {
      const T* const p = static_cast<const T*>(job.shift) + i * job.width;
      for (std::int64_t j = i + lane; j < job.width; j += kWarp) w[j] += before * p[j];
    }
    if (lane == 0) {
      static_cast<T*>(job.codes)[row * job.width + i] = code;
      static_cast<T*>(job.error)[row * job.width + i] = e;
    }
    __syncwarp();  // all see the next w[i]
  }
}

}  // namespace
}  // namespace roundlab::cuda

int roundlab_error_feedback(const roundlab::cuda::FeedbackJob* job, void* stream) {
  using namespace roundlab::cuda;
  if (job->rows == 0) return 0;
  if (job->wide) {
    ROUNDLAB_LAUNCH(Blocks(job->rows * kWarp), kThreads, stream, Feedback<double>, *job);
  } else {
    ROUNDLAB_LAUNCH(Blocks(job->rows * kWarp), kThreads, stream, Feedback<float>, *job);
  }
  return static_cast<int>(cudaGetLastError());
}
