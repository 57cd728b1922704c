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
  float scale[kLanes] = {};
  float outside[kLanes] = {};
};

ROUNDLAB_SIMD void BackwardRow(const float* w, const float* v, const float* dy, float s, float z,
                               float high, std::int64_t width, float* dv, float* d_scale,
                               float* d_zero) {
  RowSums sums;
  const auto one = [&](std::int64_t i, std::int64_t lane) {
    const float ratio = w[i] / s;
    const float code = RoundEven(v == nullptr ? ratio : ratio + v[i]) + z;
    const bool inside = code >= 0.0F && code <= high;
    const float position = Clamp(code, high) - z;
    sums.scale[lane] += dy[i] * (inside ? position - ratio : position);
    sums.outside[lane] += inside ? 0.0F : dy[i];
    if (dv != nullptr) dv[i] = inside ? dy[i] * s : 0.0F;
  };
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) one(i + k, k);
  }
  for (; i < width; ++i) one(i, 0);
  float total = 0;
  float outside = 0;
  for (std::int64_t k = 0; k < kLanes; ++k) {
    total += sums.scale[k];
    outside += sums.outside[k];
  }
  *d_scale = total;
  *d_zero = -s * outside;
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

void FakeQuantBackward(const AffineRows& rows, const float* dy, float* d_offset, float* d_scale,
                       float* d_zero) {
  at::parallel_for(0, rows.groups, RowGrain(rows.width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t at = g * rows.width;
      BackwardRow(rows.weight + at, rows.offset == nullptr ? nullptr : rows.offset + at, dy + at,
                  rows.scale[g], rows.zero[g], rows.code_max, rows.width,
                  d_offset == nullptr ? nullptr : d_offset + at, d_scale + g, d_zero + g);
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
      double sum = 0;
      for (std::int64_t i = b * kGrain; i < std::min(count, (b + 1) * kGrain); ++i) {
        const float centered = 2.0F * Soft(v[i]) - 1.0F;
        const float magnitude = std::fabs(centered);
        const float power = std::pow(magnitude, beta - 1.0F);
        sum += 1.0 - static_cast<double>(power * magnitude);
        if (d_v != nullptr) {
          const float sign = centered < 0.0F ? -1.0F : (centered > 0.0F ? 1.0F : 0.0F);
          d_v[i] = -factor * beta * power * sign * 2.0F * SoftSlope(v[i]);
        }
      }
      sums[static_cast<std::size_t>(b)] = sum;
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace roundlab
