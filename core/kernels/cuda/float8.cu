// 8-bit floats of the columns of a matrix, each column at a scale of its own, laid down as rows: what
// both factors of a weight's gradient have to be for 8-bit matrix units, which sum along rows.

#include "core/kernels/cuda/device_code.cuh"

namespace roundlab::cuda {
namespace {

constexpr int kColumns = 8;   // a thread reads so many neighbors of a row,
constexpr int kRows = 16;     // of so many rows, and writes as many neighbors of a column
constexpr int kAcross = 8;    // lanes of a warp across the columns; the others lie along the rows
constexpr int kAlong = kWarp / kAcross;

/// The largest magnitude of each column over every kFloat8Sampled-th row. Of a NaN it is a NaN: as integers,
/// positive floats have their own order, with infinity and then NaN above all.
template <class T>
__global__ void Largest(Float8Job job) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t across = job.columns / kColumns;
  const std::int64_t column = thread % across * kColumns;
  const std::int64_t first = thread / across * kFloat8Sampled * kRows;
  std::int32_t most[kColumns] = {};
  for (std::int64_t i = 0; i < kRows; ++i) {
    const std::int64_t row = first + i * kFloat8Sampled;
    if (row >= job.rows) break;
    const auto x = Load<T, kColumns>(job.x, row * job.columns + column);
#pragma unroll
    for (int k = 0; k < kColumns; ++k) {
      const std::int32_t bits = FloatBits(fabsf(ToFloat(x.v[k])));
      most[k] = bits > most[k] ? bits : most[k];
    }
  }
  if (first >= job.rows) return;
#pragma unroll
  for (int k = 0; k < kColumns; ++k) atomicMax(job.largest + column + k, most[k]);
}

/// 2^(k - e) of a largest magnitude m 2^e with 1 <= m < 2, so that it becomes m 2^k; NaN where that
/// is not finite.
inline __device__ float FactorOf(std::int32_t bits, int k) {
  if (bits >= 0x7f800000) return BitsFloat(0x7fffffff);
  std::int32_t exponent = 127 + k - (bits >> 23) + 127;
  if (bits == 0) exponent = 127;
  return BitsFloat((exponent < 1 ? 1 : exponent > 253 ? 253 : exponent) << 23);
}

template <class T>
__global__ void Transposed(Float8Job job) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int lane = static_cast<int>(thread % kWarp);
  const std::int64_t tiles = (job.columns + kAcross * kColumns - 1) / (kAcross * kColumns);
  const std::int64_t tile = thread / kWarp;
  const std::int64_t column = (tile % tiles * kAcross + lane % kAcross) * kColumns;
  const std::int64_t row = (tile / tiles * kAlong + lane / kAcross) * kRows;
  if (column >= job.columns || row >= job.rows) return;
  Pack<T, kColumns> x[kRows];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    x[i] = Load<T, kColumns>(job.x, (row + i) * job.columns + column);
  }
#pragma unroll
  for (int k = 0; k < kColumns; ++k) {
    const float factor = FactorOf(job.largest[column + k], kFloat8Exponent);
    if (row == 0) job.scale[column + k] = 1.0F / factor;
    Pack<std::uint16_t, kRows / 2> y;
#pragma unroll
    for (int i = 0; i < kRows; i += 2) {
      y.v[i / 2] = Float8Pair(ToFloat(x[i].v[k]) * factor, ToFloat(x[i + 1].v[k]) * factor);
    }
    Store<std::uint16_t, kRows / 2>(job.y, ((column + k) * job.rows + row) / 2, y);
  }
}

int RunFloat8(const Float8Job& job, void* stream) {
  if (job.rows == 0 || job.columns == 0) return 0;
  WithType(job.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t sampled = (job.rows + kFloat8Sampled * kRows - 1) / (kFloat8Sampled * kRows);
    ROUNDLAB_LAUNCH(Blocks(sampled * (job.columns / kColumns)), kThreads, stream, Largest<T>, job);
    const std::int64_t tiles = (job.columns + kAcross * kColumns - 1) / (kAcross * kColumns) *
                               ((job.rows + kAlong * kRows - 1) / (kAlong * kRows));
    ROUNDLAB_LAUNCH(Blocks(tiles * kWarp), kThreads, stream, Transposed<T>, job);
  });
  return static_cast<int>(cudaGetLastError());
}

}  // namespace
}  // namespace roundlab::cuda

int roundlab_float8_columns(const roundlab::cuda::Float8Job* job, void* stream) {
  return roundlab::cuda::RunFloat8(*job, stream);
}
