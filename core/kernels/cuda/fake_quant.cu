// Fake quantization in one pass over memory each way; the backward pass can take the step of sign
// descent at once. Built without fused multiply-add: every operation is rounded as ATen's is, and
// the codes are those of QuantizeAffine, bit for bit.

#include "core/kernels/cuda/device_code.cuh"

namespace roundlab::cuda {
namespace {

struct Grid {
  float scale;
  float zero;
  float low;          // of the range, where the grid is made from one
  bool scale_moves;  // not at scale_floor
  bool zero_moves;   // not clamped
  float inverse;     // of the scale, or 0 where Over() should not use it
};

inline __device__ float Cast(Dtype dtype, float x) {
  if (dtype == Dtype::kHalf) return Rounded<Half>(x);
  if (dtype == Dtype::kBFloat16) return Rounded<BFloat16>(x);
  return x;
}

inline __device__ float Clamp(float x, float low, float high) {
  return x < low ? low : (x > high ? high : x);
}

/// Of the scale, where products with it neither overflow nor lose bits below the smallest numbers.
inline __device__ float InverseOf(float scale) {
  const float magnitude = fabsf(scale);
  return magnitude > 0x1p-60F && magnitude < 0x1p60F ? 1.0F / scale : 0.0F;
}

/// w / scale, correctly rounded: two corrections of w times the inverse, which take half the time of a
/// division. From 2^24 on, where every code is clamped, the last bit may be off.
inline __device__ float Over(float w, const Grid& grid) {
  if (grid.inverse == 0.0F) return w / grid.scale;
  const float first = w * grid.inverse;
  if (!(fabsf(first) < 0x1p24F)) return first;
  const float second = fmaf(fmaf(-first, grid.scale, w), grid.inverse, first);
  return fmaf(fmaf(-second, grid.scale, w), grid.inverse, second);
}

inline __device__ Grid SymmetricGridOfRange(const FakeQuantJob& job, float low, float high) {
  const float largest = -low > high ? -low : high;
  const float raw = Cast(job.scale_dtype, job.times * largest / job.divisor);
  const float least = Cast(job.scale_dtype, job.scale_floor);
  const float magnitude = raw < least ? least : raw;
  const float scale = job.signs && !(-low > high) ? -magnitude : magnitude;
  return {scale, job.middle, low, raw >= least, false, InverseOf(scale)};
}

inline __device__ Grid GridOfRange(const FakeQuantJob& job, float low, float high) {
  if (job.middle > 0) return SymmetricGridOfRange(job, low, high);
  const float raw = Cast(job.scale_dtype, (high - low) / job.code_max);
  const float least = Cast(job.scale_dtype, job.scale_floor);
  const float scale = raw < least ? least : raw;
  const float zero = rintf(-low / scale);
  const bool zero_moves = zero >= 0.0F && zero <= job.code_max;
  return {scale, Clamp(zero, 0, job.code_max), low, raw >= least, zero_moves, InverseOf(scale)};
}

struct Factors {
  float low = 1;
  float high = 1;
};

inline __device__ Factors FactorsOf(const FakeQuantJob& job, std::int64_t group) {
  if (job.low_factor == nullptr) return {};
  return {job.low_factor[group], job.high_factor[group]};
}

inline __device__ Grid GridOf(const FakeQuantJob& job, std::int64_t group, const Factors& factors) {
  if (job.scale != nullptr) {
    const float scale = job.scale[group];
    return {scale, job.zero[group], 0, true, true, InverseOf(scale)};
  }
  return GridOfRange(job, job.low[group] * factors.low, job.high[group] * factors.high);
}

template <class T, int kVector>
__device__ Pack<T, kVector> Quantized(const FakeQuantJob& job, const Grid& grid,
                                      const Pack<float, kVector>& w, const Pack<float, kVector>& v) {
  Pack<T, kVector> y;
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const float code = Clamp(rintf(Over(w.v[k], grid) + v.v[k]) + grid.zero, 0, job.code_max);
    y.v[k] = FromFloat<T>(grid.scale * (code - grid.zero));
  }
  return y;
}

inline __device__ float Sign(float x) {
  return static_cast<float>(static_cast<int>(x > 0.0F) - static_cast<int>(x < 0.0F));
}

/// kLanes threads share a group.
template <class T, int kVector, int kLanes>
__global__ void Forward(FakeQuantJob job) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t group = thread / kLanes;
  if (group >= job.groups) return;
  const Grid grid = GridOf(job, group, FactorsOf(job, group));
  for (std::int64_t i = thread % kLanes * kVector; i < job.width; i += kLanes * kVector) {
    const std::int64_t place = group * job.width + i;
    const auto w = LoadFloats<kVector>(job.weight, place);
    Pack<float, kVector> v{};
    if (job.offset != nullptr) v = LoadFloats<kVector>(job.offset, place);
    Store<T, kVector>(job.output, place, Quantized<T, kVector>(job, grid, w, v));
  }
}

struct Sums {
  float factor = 0;
  float divisor = 0;
  float outside = 0;
};

/// A gradient on its way through a cast: it ends at the dtype's largest number.
inline __device__ float CastBack(Dtype dtype, float x) {
  const float most = dtype == Dtype::kHalf ? 65504.0F : 3.3895313892515355e38F;
  return dtype == Dtype::kFloat ? x : Cast(dtype, Clamp(x, -most, most));
}

/// Parts of a scale's gradient, each rounded to the scale's dtype on its way, and their sum.
inline __device__ float ScaleGradient(Dtype dtype, float factor, float divisor, float by_zero) {
  const float sum = Cast(dtype, CastBack(dtype, factor) + CastBack(dtype, divisor));
  return CastBack(dtype, Cast(dtype, sum + CastBack(dtype, by_zero)));
}

/// Gradients of the ends of an asymmetric grid's range.
inline __device__ Factors EndsOfRange(const FakeQuantJob& job, const Grid& grid, const Sums& sums,
                                      float d_zero) {
  const float by_zero = -d_zero * ((-grid.low / grid.scale) / grid.scale);
  const float d_scale = ScaleGradient(job.scale_dtype, sums.factor, sums.divisor, by_zero);
  const float d_span = grid.scale_moves ? d_scale / job.code_max : 0.0F;
  return {-d_span - d_zero / grid.scale, d_span};
}

/// The same of a symmetric one: the larger end's, or half of it each.
inline __device__ Factors EndsOfSymmetric(const FakeQuantJob& job, std::int64_t group,
                                          const Grid& grid, const Sums& sums,
                                          const Factors& factors) {
  const float d_scale = ScaleGradient(job.scale_dtype, sums.factor, sums.divisor, 0.0F);
  const float d_magnitude = job.signs && grid.scale < 0.0F ? -d_scale : d_scale;
  const float d_largest = grid.scale_moves ? d_magnitude / job.divisor * job.times : 0.0F;
  const float high = job.high[group] * factors.high;
  if (-grid.low == high) return {-d_largest / 2, d_largest / 2};
  return -grid.low > high ? Factors{-d_largest, 0.0F} : Factors{0.0F, d_largest};
}

/// Writes what is asked for of a group's gradients where `writes`; answers the factors, moved.
inline __device__ Factors GroupGradients(const FakeQuantJob& job, std::int64_t group,
                                         const Grid& grid, const Sums& sums, Factors factors,
                                         bool writes) {
  const float d_zero = grid.zero_moves ? -grid.scale * sums.outside : 0.0F;
  if (job.scale != nullptr) {
    if (writes && job.d_factor != nullptr) job.d_factor[group] = sums.factor;
    if (writes && job.d_divisor != nullptr) job.d_divisor[group] = sums.divisor;
    if (writes && job.d_zero != nullptr) job.d_zero[group] = d_zero;
    return factors;
  }
  if (job.low_factor == nullptr) return factors;
  const Factors ends = job.middle > 0 ? EndsOfSymmetric(job, group, grid, sums, factors)
                                      : EndsOfRange(job, grid, sums, d_zero);
  const float d_low = ends.low * job.low[group];
  const float d_high = ends.high * job.high[group];
  if (writes && job.d_low_factor != nullptr) job.d_low_factor[group] = d_low;
  if (writes && job.d_high_factor != nullptr) job.d_high_factor[group] = d_high;
  if (job.range_step > 0) {
    factors.low = Clamp(factors.low - job.range_step * Sign(d_low), 0, 1);
    factors.high = Clamp(factors.high - job.range_step * Sign(d_high), 0, 1);
    if (writes) job.low_factor[group] = factors.low;
    if (writes) job.high_factor[group] = factors.high;
  }
  return factors;
}

/// Four blocks a multiprocessor, by measurement: with more registers a thread it is a fifth slower.
template <class T, int kVector, int kLanes>
__global__ void __launch_bounds__(kThreads, 4) Backward(FakeQuantJob job) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const bool here = thread / kLanes < job.groups;
  // Threads beyond the last group come along to the sums and write nothing.
  const std::int64_t group = here ? thread / kLanes : job.groups - 1;
  const Factors factors = FactorsOf(job, group);
  const Grid grid = GridOf(job, group, factors);
  const std::int64_t first = thread % kLanes * kVector;
  Sums sums;
  Pack<float, kVector> w{};
  Pack<float, kVector> v{};
  for (std::int64_t i = first; i < job.width; i += kLanes * kVector) {
    const std::int64_t place = group * job.width + i;
    w = LoadFloats<kVector>(job.weight, place);
    const auto dy = Load<T, kVector>(job.dy, place);
    if (job.offset != nullptr) v = LoadFloats<kVector>(job.offset, place);
    Pack<float, kVector> dv;
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      const float slope = ToFloat(dy.v[k]);
      const float ratio = Over(w.v[k], grid);
      const float code = rintf(ratio + v.v[k]) + grid.zero;
      const float inside = code >= 0.0F && code <= job.code_max ? slope : 0.0F;
      sums.factor += slope * (Clamp(code, 0, job.code_max) - grid.zero);
      sums.divisor -= inside * ratio;
      sums.outside += slope - inside;
      dv.v[k] = inside * grid.scale;
      if (job.offset_step > 0) v.v[k] -= job.offset_step * Sign(dv.v[k]);
      if (job.offset_bound > 0) v.v[k] = Clamp(v.v[k], -job.offset_bound, job.offset_bound);
    }
    if (here && job.d_offset != nullptr) Store<float, kVector>(job.d_offset, place, dv);
    if (here && job.offset_step > 0) Store<float, kVector>(job.offset, place, v);
  }
  sums.factor = LaneSum(sums.factor, kLanes);
  sums.divisor = LaneSum(sums.divisor, kLanes);
  sums.outside = LaneSum(sums.outside, kLanes);
  __syncwarp();  // the range's factors are read by all lanes of a group before its first moves them
  const bool writes = here && thread % kLanes == 0;
  const Factors moved = GroupGradients(job, group, grid, sums, factors, writes);
  if (!here || job.output == nullptr) return;
  const Grid next = GridOf(job, group, moved);
  const bool kept = job.width <= kLanes * kVector;  // all of a group is in its threads' registers
  for (std::int64_t i = first; i < job.width; i += kLanes * kVector) {
    const std::int64_t place = group * job.width + i;
    if (!kept) w = LoadFloats<kVector>(job.weight, place);
    if (!kept && job.offset != nullptr) v = LoadFloats<kVector>(job.offset, place);
    Store<T, kVector>(job.output, place, Quantized<T, kVector>(job, next, w, v));
  }
}

template <class T, int kVector, int kLanes>
void Run(const FakeQuantJob& job, bool backward, void* stream) {
  const std::int64_t blocks = Blocks(job.groups * kLanes);
  if (backward) {
    ROUNDLAB_LAUNCH(blocks, kThreads, stream, (Backward<T, kVector, kLanes>), job);
  } else {
    ROUNDLAB_LAUNCH(blocks, kThreads, stream, (Forward<T, kVector, kLanes>), job);
  }
}

template <class T, int kVector>
void RunLanes(const FakeQuantJob& job, bool backward, void* stream) {
  const std::int64_t reads = job.width / kVector;
  if (reads <= 8) return Run<T, kVector, 8>(job, backward, stream);
  if (reads <= 16) return Run<T, kVector, 16>(job, backward, stream);
  Run<T, kVector, 32>(job, backward, stream);
}

int RunFakeQuant(const FakeQuantJob& job, bool backward, void* stream) {
  if (job.groups == 0) return 0;
  const bool packs = job.width % 4 == 0 && Aligned(16, job.weight, job.offset, job.d_offset) &&
                     Aligned(16, static_cast<const char*>(job.output), static_cast<const char*>(job.dy));
  WithType(job.dtype, [&](auto zero) {
    using T = decltype(zero);
    // Eight at a time where they keep eight lanes busy: more reads are under way at once, and a
    // group's grid is made by fewer threads.
    if (packs && job.width % 64 == 0) return RunLanes<T, 8>(job, backward, stream);
    if (packs) return RunLanes<T, 4>(job, backward, stream);
    RunLanes<T, 1>(job, backward, stream);
  });
  return static_cast<int>(cudaGetLastError());
}

}  // namespace
}  // namespace roundlab::cuda

int roundlab_cuda_version() { return roundlab::cuda::kInterfaceVersion; }

const char* roundlab_cuda_error(int code) {
  return cudaGetErrorString(static_cast<cudaError_t>(code));
}

int roundlab_fake_quant(const roundlab::cuda::FakeQuantJob* job, void* stream) {
  return roundlab::cuda::RunFakeQuant(*job, false, stream);
}

int roundlab_fake_quant_backward(const roundlab::cuda::FakeQuantJob* job, void* stream) {
  return roundlab::cuda::RunFakeQuant(*job, true, stream);
}
