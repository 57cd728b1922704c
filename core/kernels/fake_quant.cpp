#include "core/kernels/fake_quant.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

constexpr std::int64_t kGrain = 16384;
constexpr std::int64_t kLanes = 16;

std::int64_t RowGrain(std::int64_t width) { return std::max<std::int64_t>(1, kGrain / width); }

inline float Clamp(float x, float high) { return x < 0.0F ? 0.0F : (x > high ? high : x); }

/// Half to even for |x| < 2^22, as at::round; larger values are integers far outside any grid.
inline float RoundEven(float x) {
  constexpr float kMagic = 12582912.0F;
  return std::fabs(x) < 4194304.0F ? (x + kMagic) - kMagic : x;
}

ROUNDLAB_SIMD void ForwardRow(const float* w, const float* v, float s, float z, float high,
                              std::int64_t width, float* y) {
  if (v == nullptr) {
    for (std::int64_t i = 0; i < width; ++i) {
      y[i] = s * (Clamp(RoundEven(w[i] / s) + z, high) - z);
    }
    return;
  }
  for (std::int64_t i = 0; i < width; ++i) {
    y[i] = s * (Clamp(RoundEven(w[i] / s + v[i]) + z, high) - z);
  }
}

struct RowSums {
  float factor[kLanes] = {};
  float divisor[kLanes] = {};
  float outside[kLanes] = {};
};

float Total(const float* lanes) {
  float total = 0;
  for (std::int64_t k = 0; k < kLanes; ++k) total += lanes[k];
  return total;
}

ROUNDLAB_SIMD void BackwardRow(const float* w, const float* v, const float* dy, float s, float z,
                               float high, std::int64_t width, const FakeQuantGradient& d) {
  RowSums sums;
  const auto one = [&](std::int64_t i, std::int64_t lane) {
    const float ratio = w[i] / s;
    const float code = RoundEven(v == nullptr ? ratio : ratio + v[i]) + z;
    const bool inside = code >= 0.0F && code <= high;
    const float position = Clamp(code, high) - z;
    sums.factor[lane] += dy[i] * position;
    sums.divisor[lane] -= inside ? dy[i] * ratio : 0.0F;
    sums.outside[lane] += inside ? 0.0F : dy[i];
    if (d.offset != nullptr) d.offset[i] = inside ? dy[i] * s : 0.0F;
  };
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) one(i + k, k);
  }
  for (; i < width; ++i) one(i, 0);
  *d.factor = Total(sums.factor);
  *d.divisor = Total(sums.divisor);
  *d.zero = -s * Total(sums.outside);
}

constexpr float kStretch = 1.2F;  // zeta - gamma
constexpr float kGamma = -0.1F;

inline float Soft(float v) { return Clamp(FastSigmoid(v) * kStretch + kGamma, 1.0F); }

inline float SoftSlope(float v) {
  const float sigmoid = FastSigmoid(v);
  const float stretched = sigmoid * kStretch + kGamma;
  const bool inside = stretched >= 0.0F && stretched <= 1.0F;
  return inside ? kStretch * sigmoid * (1.0F - sigmoid) : 0.0F;
}

ROUNDLAB_SIMD void AdaRoundRow(const float* f, const float* v, float s, float z, float high,
                               std::int64_t width, float* y) {
  for (std::int64_t i = 0; i < width; ++i) {
    y[i] = s * (Clamp(f[i] + Soft(v[i]) + z, high) - z);
  }
}

ROUNDLAB_SIMD void AdaRoundBackwardRow(const float* f, const float* v, const float* dy, float s,
                                       float z, float high, std::int64_t width, float* dv) {
  for (std::int64_t i = 0; i < width; ++i) {
    const float code = f[i] + Soft(v[i]) + z;
    const bool inside = code >= 0.0F && code <= high;
    dv[i] = inside ? dy[i] * s * SoftSlope(v[i]) : 0.0F;
  }
}

/// Penalty of up to kGrain elements; `step` is the gradient's constant factor.
ROUNDLAB_SIMD double PenaltyRange(const float* v, std::int64_t count, float beta, float step,
                                  float* d_v) {
  float sums[kLanes] = {};
  const auto one = [&](std::int64_t i, std::int64_t lane) {
    const float centered = 2.0F * Soft(v[i]) - 1.0F;
    const float magnitude = std::fabs(centered);
    const float power = magnitude > 0 ? FastExp((beta - 1.0F) * FastLog(magnitude)) : 0.0F;
    sums[lane] += 1.0F - power * magnitude;
    if (d_v != nullptr) d_v[i] = step * std::copysign(power, centered) * SoftSlope(v[i]);
  };
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) one(i + k, k);
  }
  for (; i < count; ++i) one(i, 0);
  double total = 0;
  for (const float sum : sums) total += static_cast<double>(sum);
  return total;
}

}  // namespace

void FakeQuantForward(const AffineRows& rows, float* output) {
  at::parallel_for(0, rows.groups, RowGrain(rows.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t at = g * rows.width;
      ForwardRow(rows.weight + at, rows.offset == nullptr ? nullptr : rows.offset + at,
                 rows.scale[g], rows.zero[g], rows.code_max, rows.width, output + at);
    }
  });
}

void FakeQuantBackward(const AffineRows& rows, const float* dy, const FakeQuantGradient& d) {
  at::parallel_for(0, rows.groups, RowGrain(rows.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t at = g * rows.width;
      BackwardRow(
          rows.weight + at, rows.offset == nullptr ? nullptr : rows.offset + at, dy + at,
          rows.scale[g], rows.zero[g], rows.code_max, rows.width,
          {d.offset == nullptr ? nullptr : d.offset + at, d.factor + g, d.divisor + g, d.zero + g});
    }
  });
}

void AdaRoundForward(const AffineRows& rows, float* output) {
  at::parallel_for(0, rows.groups, RowGrain(rows.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t at = g * rows.width;
      AdaRoundRow(rows.weight + at, rows.offset + at, rows.scale[g], rows.zero[g], rows.code_max,
                  rows.width, output + at);
    }
  });
}

void AdaRoundBackward(const AffineRows& rows, const float* dy, float* d_offset) {
  at::parallel_for(0, rows.groups, RowGrain(rows.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t at = g * rows.width;
      AdaRoundBackwardRow(rows.weight + at, rows.offset + at, dy + at, rows.scale[g], rows.zero[g],
                          rows.code_max, rows.width, d_offset + at);
    }
  });
}

double AdaRoundPenalty(const float* v, std::int64_t count, float beta, float factor, float* d_v) {
  // Fixed blocks, summed in order: the same value whatever the thread count.
  const std::int64_t blocks = (count + kGrain - 1) / kGrain;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  at::parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      const std::int64_t at = b * kGrain;
      sums[static_cast<std::size_t>(b)] =
          PenaltyRange(v + at, std::min(kGrain, count - at), beta, -2.0F * factor * beta,
                       d_v == nullptr ? nullptr : d_v + at);
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace roundlab
