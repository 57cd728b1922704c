#include "core/kernels/fake_quant.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

constexpr std::int64_t kSums = 16;
constexpr std::int64_t kWidest = 1 << 16;  // elements that are summed in float32

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

/// 1 where 0 <= x <= high, else 0; in selects, since branches keep loops from being vectorized.
inline float Inside(float x, float high) {
  return (x >= 0.0F ? 1.0F : 0.0F) * (x <= high ? 1.0F : 0.0F);
}

struct RowSums {
  float factor[kSums] = {};
  float divisor[kSums] = {};
  float outside[kSums] = {};
};

float Total(const float* lanes) {
  float total = 0;
  for (std::int64_t k = 0; k < kSums; ++k) total += lanes[k];
  return total;
}

struct GridRow {
  float scale;
  float zero;
  float high;
};

/// One element: adds to the sums and gives the gradient of its offset.
inline float BackwardOne(const GridRow& g, float w, float v, float dy, float* factor,
                         float* divisor, float* outside) {
  const float ratio = w / g.scale;
  const float code = RoundEven(ratio + v) + g.zero;
  const float inside = Inside(code, g.high) * dy;
  *factor += dy * (Clamp(code, g.high) - g.zero);
  *divisor -= inside * ratio;
  *outside += dy - inside;
  return inside * g.scale;
}

/// v and dv have `width` elements also where nobody wants them.
ROUNDLAB_SIMD void BackwardRow(const float* w, const float* v, const float* dy, const GridRow& g,
                               std::int64_t width, float* dv, RowSums* out) {
  RowSums sums;
  std::int64_t i = 0;
  for (; i + kSums <= width; i += kSums) {
    for (std::int64_t k = 0; k < kSums; ++k) {
      dv[i + k] = BackwardOne(g, w[i + k], v[i + k], dy[i + k], &sums.factor[k], &sums.divisor[k],
                              &sums.outside[k]);
    }
  }
  for (; i < width; ++i) {
    dv[i] = BackwardOne(g, w[i], v[i], dy[i], sums.factor, sums.divisor, sums.outside);
  }
  *out = sums;
}

constexpr float kStretch = 1.2F;  // zeta - gamma
constexpr float kGamma = -0.1F;

inline float Soft(float v) { return Clamp(FastSigmoid(v) * kStretch + kGamma, 1.0F); }

inline float SoftSlope(float v) {
  const float sigmoid = FastSigmoid(v);
  return Inside(sigmoid * kStretch + kGamma, 1.0F) * kStretch * sigmoid * (1.0F - sigmoid);
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
    dv[i] = Inside(f[i] + Soft(v[i]) + z, high) * dy[i] * s * SoftSlope(v[i]);
  }
}

/// Penalty of up to kGrain elements; `step` is the gradient's constant factor.
ROUNDLAB_SIMD double PenaltyRange(const float* v, std::int64_t count, float beta, float step,
                                  float* d_v) {
  float penalties[kGrain];
  float unwanted[kGrain];
  if (d_v == nullptr) d_v = unwanted;
  for (std::int64_t i = 0; i < count; ++i) {
    const float centered = 2.0F * Soft(v[i]) - 1.0F;
    const float sign = (centered > 0.0F ? 1.0F : 0.0F) - (centered < 0.0F ? 1.0F : 0.0F);
    const float magnitude = centered * sign;
    const float power = FastExp((beta - 1.0F) * FastLog(magnitude));
    penalties[i] = 1.0F - power * magnitude;
    d_v[i] = step * power * sign * SoftSlope(v[i]);
  }
  double lanes[kSums] = {};
  std::int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (std::int64_t k = 0; k < kSums; ++k) lanes[k] += static_cast<double>(penalties[i + k]);
  }
  double total = 0;
  for (; i < count; ++i) total += static_cast<double>(penalties[i]);
  for (const double lane : lanes) total += lane;
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
    const auto widest = static_cast<std::size_t>(std::min(rows.width, kWidest));
    std::vector<float> no_offset(widest);
    std::vector<float> unwanted(widest);
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t at = g * rows.width;
      double factor = 0;
      double divisor = 0;
      double outside = 0;
      // A whole tensor may be one group: float32 sums no more than a row's worth at a time.
      for (std::int64_t from = at; from < at + rows.width; from += kWidest) {
        const std::int64_t count = std::min(kWidest, at + rows.width - from);
        RowSums sums;
        BackwardRow(rows.weight + from,
                    rows.offset == nullptr ? no_offset.data() : rows.offset + from, dy + from,
                    {rows.scale[g], rows.zero[g], rows.code_max}, count,
                    d.offset == nullptr ? unwanted.data() : d.offset + from, &sums);
        factor += static_cast<double>(Total(sums.factor));
        divisor += static_cast<double>(Total(sums.divisor));
        outside += static_cast<double>(Total(sums.outside));
      }
      d.factor[g] = static_cast<float>(factor);
      d.divisor[g] = static_cast<float>(divisor);
      d.zero[g] = -rows.scale[g] * static_cast<float>(outside);
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
