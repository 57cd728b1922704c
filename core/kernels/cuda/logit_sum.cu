// Rows of logits in one pass over memory: the largest and the sum of exponentials, which ATen's operations
// read and write them half a dozen times for.

#include "core/kernels/cuda/device_code.cuh"

namespace roundlab::cuda {
namespace {

constexpr float kLowest = -3.402823466e38F;
constexpr std::int64_t kNoPlace = 0x7fffffffffffffff;

/// Of what a lane has read. Before it has read anything exp(x - largest) is 0 for every x.
struct PartSum {
  float largest = kLowest;
  std::int64_t place = kNoPlace;
  float sum = 0;
};

/// A warp a part of a row. A NaN or +inf makes the sum NaN.
template <int kVector>
__global__ void LogitSums(LogitSumJob job) {
  const std::int64_t warp = static_cast<std::int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const std::int64_t row = warp / kRowParts;
  if (row >= job.rows) return;  // all lanes of a warp together
  constexpr std::int64_t kTurn = kWarp * kVector;
  const std::int64_t turns = (job.columns + kRowParts * kTurn - 1) / (kRowParts * kTurn);
  const std::int64_t begin = warp % kRowParts * turns * kTurn;
  const std::int64_t end = begin + turns * kTurn < job.columns ? begin + turns * kTurn : job.columns;
  PartSum part;
  for (std::int64_t i = begin + lane * kVector; i < end; i += kTurn) {
    const auto x = Load<float, kVector>(job.logits, row * job.columns + i);
    const float before = part.largest;
#pragma unroll
    for (int k = 0; k < kVector; ++k) {
      if (x.v[k] > part.largest || (part.place == kNoPlace && x.v[k] == part.largest)) {
        part.largest = x.v[k];
        part.place = i + k;
      }
    }
    float more = 0;
#pragma unroll
    for (int k = 0; k < kVector; ++k) more += expf(x.v[k] - part.largest);
    part.sum = part.sum * expf(before - part.largest) + more;
  }
  double sum = part.sum;
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const float largest = __shfl_xor_sync(0xffffffffu, part.largest, step);
    const std::int64_t place = __shfl_xor_sync(0xffffffffu, part.place, step);
    const double other = __shfl_xor_sync(0xffffffffu, sum, step);
    const float top = largest > part.largest ? largest : part.largest;
    sum = sum * exp(static_cast<double>(part.largest) - top) + other * exp(static_cast<double>(largest) - top);
    if (largest > part.largest || (largest == part.largest && place < part.place)) part.place = place;
    part.largest = top;
  }
  if (lane != 0) return;
  job.largest[warp] = part.largest;
  job.place[warp] = part.place;
  job.sum[warp] = sum;
}

}  // namespace
}  // namespace roundlab::cuda

int roundlab_logit_sums(const roundlab::cuda::LogitSumJob* job, void* stream) {
  using namespace roundlab::cuda;
  if (job->rows == 0) return 0;
  const std::int64_t blocks = Blocks(job->rows * kRowParts * kWarp);
  if (job->columns % 4 == 0 && Aligned(16, job->logits)) {
    ROUNDLAB_LAUNCH(blocks, kThreads, stream, LogitSums<4>, *job);
  } else {
    ROUNDLAB_LAUNCH(blocks, kThreads, stream, LogitSums<1>, *job);
  }
  return static_cast<int>(cudaGetLastError());
}
