// Norm, rotary positions, SwiGLU, mean squared error, conditional copy: one pass over memory each.
// 16-bit values are rounded where ATen's operations one after the other would round them, except
// in rotary positions, which round once.

#include "core/kernels/cuda/device_code.cuh"

namespace roundlab::cuda {
namespace {

/// A warp a row.
template <class T, int kVector>
__global__ void NormForward(NormJob job) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  if (row >= job.rows) return;  // all lanes of a warp together
  float sum = 0;
  for (std::int64_t i = lane * kVector; i < job.width; i += kWarp * kVector) {
    const auto x = Load<T, kVector>(job.x, row * job.width + i);
#pragma unroll
    for (int k = 0; k < kVector; ++k) sum += ToFloat(x.v[k]) * ToFloat(x.v[k]);
  }
  sum = LaneSum(sum, kWarp);
  const float r = 1.0F / sqrtf(sum / static_cast<float>(job.width) + job.eps);
  if (lane == 0) job.inverse[row] = r;
  for (std::int64_t i = lane * kVector; i < job.width; i += kWarp * kVector) {
    const auto x = Load<T, kVector>(job.x, row * job.width + i);
    const auto weight = LoadFloats<kVector>(job.weight, i);
    Pack<T, kVector> y;
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      y.v[k] = FromFloat<T>(Rounded<T>(ToFloat(x.v[k]) * r) * Rounded<T>(weight.v[k]));
    }
    Store<T, kVector>(job.y, row * job.width + i, y);
  }
}

template <class T, int kVector>
__global__ void NormBackward(NormJob job) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  if (row >= job.rows) return;
  const float r = job.inverse[row];
  float sum = 0;
  for (std::int64_t i = lane * kVector; i < job.width; i += kWarp * kVector) {
    const auto x = Load<T, kVector>(job.x, row * job.width + i);
    const auto dy = Load<T, kVector>(job.dy, row * job.width + i);
    const auto weight = LoadFloats<kVector>(job.weight, i);
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      sum += Rounded<T>(ToFloat(dy.v[k]) * Rounded<T>(weight.v[k])) * ToFloat(x.v[k]);
    }
  }
  sum = LaneSum(sum, kWarp);
  const float c = sum * r * r * r / static_cast<float>(job.width);
  for (std::int64_t i = lane * kVector; i < job.width; i += kWarp * kVector) {
    const auto x = Load<T, kVector>(job.x, row * job.width + i);
    const auto dy = Load<T, kVector>(job.dy, row * job.width + i);
    const auto weight = LoadFloats<kVector>(job.weight, i);
    Pack<T, kVector> dx;
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      const float slope = Rounded<T>(ToFloat(dy.v[k]) * Rounded<T>(weight.v[k]));
      dx.v[k] = FromFloat<T>(r * slope - c * ToFloat(x.v[k]));
    }
    Store<T, kVector>(job.dx, row * job.width + i, dx);
  }
}

/// A thread kVector pairs of a head.
template <class T, int kVector>
__global__ void RopeKernel(RopeJob job) {
  const std::int64_t half = job.dim / 2;
  const std::int64_t parts = half / kVector;  // of a head
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (thread >= job.batch * job.seq * job.heads * parts) return;
  const std::int64_t head = thread / parts;  // counted over all rows
  const std::int64_t k = thread % parts * kVector;
  const std::int64_t angle = head / job.heads % job.seq * half + k;
  const auto a = Load<T, kVector>(job.x, head * job.dim + k);
  const auto b = Load<T, kVector>(job.x, head * job.dim + half + k);
  const auto cosine = LoadFloats<kVector>(job.cosine, angle);
  const auto sine = LoadFloats<kVector>(job.sine, angle);
  Pack<T, kVector> first;
  Pack<T, kVector> second;
#pragma unroll
  for (int j = 0; j < kVector; ++j) {
    const float c = cosine.v[j];
    const float s = job.sign * sine.v[j];
    first.v[j] = FromFloat<T>(ToFloat(a.v[j]) * c - ToFloat(b.v[j]) * s);
    second.v[j] = FromFloat<T>(ToFloat(b.v[j]) * c + ToFloat(a.v[j]) * s);
  }
  Store<T, kVector>(job.y, head * job.dim + k, first);
  Store<T, kVector>(job.y, head * job.dim + half + k, second);
}

inline __device__ float Sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

template <class T, int kVector>
__global__ void SwiGluForward(SwiGluJob job) {
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kVector;
  if (i >= job.count) return;
  const auto gate = Load<T, kVector>(job.gate, i);
  const auto up = Load<T, kVector>(job.up, i);
  Pack<T, kVector> y;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const float x = ToFloat(gate.v[k]);
    y.v[k] = FromFloat<T>(Rounded<T>(x * Sigmoid(x)) * ToFloat(up.v[k]));
  }
  Store<T, kVector>(job.y, i, y);
}

template <class T, int kVector>
__global__ void SwiGluBackward(SwiGluJob job) {
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kVector;
  if (i >= job.count) return;
  const auto gate = Load<T, kVector>(job.gate, i);
  const auto up = Load<T, kVector>(job.up, i);
  const auto dy = Load<T, kVector>(job.dy, i);
  Pack<T, kVector> d_gate;
  Pack<T, kVector> d_up;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const float x = ToFloat(gate.v[k]);
    const float s = Sigmoid(x);
    const float slope = ToFloat(dy.v[k]);
    d_up.v[k] = FromFloat<T>(slope * Rounded<T>(x * s));
    d_gate.v[k] = FromFloat<T>(Rounded<T>(slope * ToFloat(up.v[k])) * (s * (1.0F + x * (1.0F - s))));
  }
  Store<T, kVector>(job.d_gate, i, d_gate);
  Store<T, kVector>(job.d_up, i, d_up);
}

/// Each warp sums its share into partial[warp]: the same order in every run.
template <class T, int kVector>
__global__ void MsePartials(MseJob job) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t threads = kMsePartials * kWarp;
  float sum = 0;
  for (std::int64_t i = thread * kVector; i < job.count; i += threads * kVector) {
    const auto output = Load<T, kVector>(job.output, i);
    const auto target = Load<T, kVector>(job.target, i);
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      const float apart = ToFloat(output.v[k]) - ToFloat(target.v[k]);
      sum += apart * apart;
    }
  }
  sum = LaneSum(sum, kWarp);
  if (threadIdx.x % kWarp == 0) job.partial[thread / kWarp] = sum;
}

__global__ void MseSum(MseJob job) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < kMsePartials; i += kWarp) {
    sum += static_cast<double>(job.partial[i]);
  }
  sum = LaneSum(sum, kWarp);
  if (threadIdx.x == 0) *job.loss = static_cast<float>(sum / static_cast<double>(job.count));
}

template <class T, int kVector>
__global__ void MseBackward(MseJob job) {
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kVector;
  if (i >= job.count) return;
  const float factor = 2.0F / static_cast<float>(job.count) * *job.d_loss;
  const auto output = Load<T, kVector>(job.output, i);
  const auto target = Load<T, kVector>(job.target, i);
  Pack<T, kVector> d;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    d.v[k] = FromFloat<T>(factor * (ToFloat(output.v[k]) - ToFloat(target.v[k])));
  }
  Store<T, kVector>(job.d_output, i, d);
}

template <class T>
__global__ void CopyIf(CopyIfJob job) {
  if (*job.flag == 0) return;
  const std::int64_t count = job.bytes / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    static_cast<T*>(job.to)[i] = static_cast<const T*>(job.from)[i];
  }
}

/// Calls f with a number of the dtype and a constant: how many are read at a time, 1 unless `count`
/// is a multiple and `aligned` says that the pointers begin at 16 bytes.
template <int kMost, class F>
int WithPacks(Dtype dtype, std::int64_t count, bool aligned, F&& f) {
  WithType(dtype, [&](auto zero) {
    constexpr int kFit = 16 / static_cast<int>(sizeof(zero));
    constexpr int kVector = kFit < kMost ? kFit : kMost;
    if (aligned && count % kVector == 0) return f(zero, Pack<char, kVector>{});
    f(zero, Pack<char, 1>{});
  });
  return static_cast<int>(cudaGetLastError());
}
template <class P>
constexpr int kSizeOf = static_cast<int>(sizeof(P));

template <class... P>
bool Aligned16(const P*... pointers) {
  return Aligned(16, static_cast<const char*>(static_cast<const void*>(pointers))...);
}

int RunNorm(const NormJob& job, bool backward, void* stream) {
  if (job.rows == 0) return 0;
  const std::int64_t blocks = Blocks(job.rows * kWarp);
  return WithPacks<8>(job.dtype, job.width, Aligned16(job.x, job.weight, job.y, job.dy, job.dx), [&](auto zero, auto pack) {
    using T = decltype(zero);
    constexpr int kVector = kSizeOf<decltype(pack)>;
    if (backward) {
      ROUNDLAB_LAUNCH(blocks, kThreads, stream, (NormBackward<T, kVector>), job);
    } else {
      ROUNDLAB_LAUNCH(blocks, kThreads, stream, (NormForward<T, kVector>), job);
    }
  });
}

int RunSwiGlu(const SwiGluJob& job, bool backward, void* stream) {
  if (job.count == 0) return 0;
  const bool aligned = Aligned16(job.gate, job.up, job.y, job.dy, job.d_gate, job.d_up);
  return WithPacks<8>(job.dtype, job.count, aligned, [&](auto zero, auto pack) {
    using T = decltype(zero);
    constexpr int kVector = kSizeOf<decltype(pack)>;
    const std::int64_t blocks = Blocks(job.count / kVector);
    if (backward) {
      ROUNDLAB_LAUNCH(blocks, kThreads, stream, (SwiGluBackward<T, kVector>), job);
    } else {
      ROUNDLAB_LAUNCH(blocks, kThreads, stream, (SwiGluForward<T, kVector>), job);
    }
  });
}

int RunMse(const MseJob& job, bool backward, void* stream) {
  if (backward && job.count == 0) return 0;
  const bool aligned = Aligned16(job.output, job.target, job.d_output);
  return WithPacks<8>(job.dtype, job.count, aligned, [&](auto zero, auto pack) {
    using T = decltype(zero);
    constexpr int kVector = kSizeOf<decltype(pack)>;
    if (backward) {
      ROUNDLAB_LAUNCH(Blocks(job.count / kVector), kThreads, stream, (MseBackward<T, kVector>), job);
      return;
    }
    ROUNDLAB_LAUNCH(Blocks(kMsePartials * kWarp), kThreads, stream, (MsePartials<T, kVector>), job);
    ROUNDLAB_LAUNCH(1, kWarp, stream, MseSum, job);
  });
}

}  // namespace
}  // namespace roundlab::cuda

int roundlab_rms_norm(const roundlab::cuda::NormJob* job, void* stream) {
  return roundlab::cuda::RunNorm(*job, false, stream);
}
int roundlab_rms_norm_backward(const roundlab::cuda::NormJob* job, void* stream) {
  return roundlab::cuda::RunNorm(*job, true, stream);
}
int roundlab_rope(const roundlab::cuda::RopeJob* job, void* stream) {
  using namespace roundlab::cuda;
  if (job->batch * job->seq * job->heads * job->dim == 0) return 0;
  return WithPacks<8>(job->dtype, job->dim / 2, Aligned16(job->x, job->y, job->cosine, job->sine), [&](auto zero, auto pack) {
    using T = decltype(zero);
    constexpr int kVector = kSizeOf<decltype(pack)>;
    const std::int64_t threads = job->batch * job->seq * job->heads * (job->dim / 2 / kVector);
    ROUNDLAB_LAUNCH(Blocks(threads), kThreads, stream, (RopeKernel<T, kVector>), *job);
  });
}
int roundlab_swiglu(const roundlab::cuda::SwiGluJob* job, void* stream) {
  return roundlab::cuda::RunSwiGlu(*job, false, stream);
}
int roundlab_swiglu_backward(const roundlab::cuda::SwiGluJob* job, void* stream) {
  return roundlab::cuda::RunSwiGlu(*job, true, stream);
}
int roundlab_mse(const roundlab::cuda::MseJob* job, void* stream) {
  return roundlab::cuda::RunMse(*job, false, stream);
}
int roundlab_mse_backward(const roundlab::cuda::MseJob* job, void* stream) {
  return roundlab::cuda::RunMse(*job, true, stream);
}
int roundlab_copy_if(const roundlab::cuda::CopyIfJob* job, void* stream) {
  using namespace roundlab::cuda;
  if (job->bytes == 0) return 0;
  const bool wide = job->bytes % 16 == 0 && Aligned16(job->from, job->to);
  const std::int64_t most = 132 * 16;
  if (wide) {
    const std::int64_t blocks = Blocks(job->bytes / 16);
    ROUNDLAB_LAUNCH(blocks < most ? blocks : most, kThreads, stream, (CopyIf<ulonglong2>), *job);
  } else {
    const std::int64_t blocks = Blocks(job->bytes);
    ROUNDLAB_LAUNCH(blocks < most ? blocks : most, kThreads, stream, (CopyIf<char>), *job);
  }
  return static_cast<int>(cudaGetLastError());
}
