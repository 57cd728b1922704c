#include "core/kernels/elementwise.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

ROUNDLAB_SIMD void NormRow(const float* x, const float* weight, float eps, std::int64_t width,
                           float* y, float* inverse) {
  float sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += x[i + k] * x[i + k];
  }
  double total = 0;
  for (; i < width; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const float sum : sums) total += static_cast<double>(sum);
  const float mean = static_cast<float>(total / static_cast<double>(width));
  const float r = 1.0F / std::sqrt(mean + eps);
  *inverse = r;
  for (std::int64_t k = 0; k < width; ++k) y[k] = x[k] * r * weight[k];
}

ROUNDLAB_SIMD void NormRowBackward(const float* dy, const float* x, const float* weight, float r,
                                   std::int64_t width, float* dx) {
  float sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += dy[i + k] * weight[i + k] * x[i + k];
  }
  double total = 0;
  for (; i < width; ++i) total += static_cast<double>(dy[i] * weight[i] * x[i]);
  for (const float sum : sums) total += static_cast<double>(sum);
  const float c = static_cast<float>(total) * r * r * r / static_cast<float>(width);
  for (std::int64_t k = 0; k < width; ++k) dx[k] = r * (dy[k] * weight[k]) - x[k] * c;
}

ROUNDLAB_SIMD void AddWeightGradient(const float* dy, const float* x, float r, std::int64_t width,
                                     float* sum) {
  for (std::int64_t k = 0; k < width; ++k) sum[k] += dy[k] * x[k] * r;
}

ROUNDLAB_SIMD void RopeRow(const float* x, const float* cosine, const float* sine, float sign,
                           std::int64_t half, float* y) {
  for (std::int64_t k = 0; k < half; ++k) {
    const float a = x[k];
    const float b = x[k + half];
    const float s = sign * sine[k];
    y[k] = a * cosine[k] - b * s;
    y[k + half] = b * cosine[k] + a * s;
  }
}

ROUNDLAB_SIMD void SwiGluRange(const float* gate, const float* up, std::int64_t count, float* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = gate[i] * FastSigmoid(gate[i]) * up[i];
}

ROUNDLAB_SIMD void SwiGluBackwardRange(const float* dy, const float* gate, const float* up,
                                       std::int64_t count, float* __restrict d_gate,
                                       float* __restrict d_up) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float s = FastSigmoid(gate[i]);
    const float silu = gate[i] * s;
    d_gate[i] = dy[i] * up[i] * (s + silu * (1.0F - s));
    d_up[i] = dy[i] * silu;
  }
}

}  // namespace

void RmsNormForward(const float* x, const float* weight, float eps, std::int64_t rows,
                    std::int64_t width, float* y, float* inverse_rms) {
  at::parallel_for(0, rows, RowGrain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      NormRow(x + row * width, weight, eps, width, y + row * width, inverse_rms + row);
    }
  });
}

void RmsNormBackward(const RmsNormGradient& in, std::int64_t rows, std::int64_t width, float* dx) {
  at::parallel_for(0, rows, RowGrain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t at = row * width;
      NormRowBackward(in.dy + at, in.x + at, in.weight, in.inverse_rms[row], width, dx + at);
    }
  });
}

void RmsNormWeightBackward(const RmsNormGradient& in, std::int64_t rows, std::int64_t width,
                           float* d_weight) {
  constexpr std::int64_t kChunk = 64;
  const std::int64_t chunks = (rows + kChunk - 1) / kChunk;
  std::vector<float> sums(static_cast<std::size_t>(chunks * width), 0.0F);
  at::parallel_for(0, chunks, RowGrain(kChunk * width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin * kChunk; row < std::min(end * kChunk, rows); ++row) {
      AddWeightGradient(in.dy + row * width, in.x + row * width, in.inverse_rms[row], width,
                        sums.data() + row / kChunk * width);
    }
  });
  for (std::int64_t k = 0; k < width; ++k) {
    double total = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      total += static_cast<double>(sums[static_cast<std::size_t>(chunk * width + k)]);
    }
    d_weight[k] = static_cast<float>(total);
  }
}

void Rope(const float* x, const float* cosine, const float* sine, const RopeShape& shape,
          float sign, float* y) {
  const std::int64_t half = shape.dim / 2;
  const std::int64_t width = shape.heads * shape.dim;
  at::parallel_for(0, shape.batch * shape.seq, RowGrain(width),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       const std::int64_t angle = (row % shape.seq) * half;
                       for (std::int64_t head = 0; head < shape.heads; ++head) {
                         const std::int64_t at = row * width + head * shape.dim;
                         RopeRow(x + at, cosine + angle, sine + angle, sign, half, y + at);
                       }
                     }
                   });
}

void SwiGluForward(const float* gate, const float* up, std::int64_t count, float* y) {
  at::parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    SwiGluRange(gate + begin, up + begin, end - begin, y + begin);
  });
}

void SwiGluBackward(const SwiGluGradient& in, std::int64_t count, float* d_gate, float* d_up) {
  at::parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    SwiGluBackwardRange(in.dy + begin, in.gate + begin, in.up + begin, end - begin, d_gate + begin,
                        d_up + begin);
  });
}

}  // namespace roundlab
