#include "core/kernels/elementwise.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/bfloat16_math.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

using c10::BFloat16;

// Templates are not compiled for several instruction sets: each loop goes into a function of either
// type that is.
#define ROUNDLAB_LOOP \
  template <class T>  \
  [[gnu::always_inline]] inline

ROUNDLAB_LOOP void NormLoop(const T* x, const float* weight, float eps, std::int64_t width, T* y,
                            float* inverse) {
  float sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += ToFloat(x[i + k]) * ToFloat(x[i + k]);
  }
  double total = 0;
  for (; i < width; ++i) {
    total += static_cast<double>(ToFloat(x[i])) * static_cast<double>(ToFloat(x[i]));
  }
  for (const float sum : sums) total += static_cast<double>(sum);
  const float mean = static_cast<float>(total / static_cast<double>(width));
  const float r = 1.0F / std::sqrt(mean + eps);
  *inverse = r;
  for (std::int64_t k = 0; k < width; ++k) {
    y[k] = FromFloat<T>(Rounded<T>(ToFloat(x[k]) * r) * weight[k]);
  }
}
ROUNDLAB_SIMD void NormRow(const float* x, const float* weight, float eps, std::int64_t width,
                           float* y, float* inverse) {
  NormLoop(x, weight, eps, width, y, inverse);
}
ROUNDLAB_SIMD void NormRow(const BFloat16* x, const float* weight, float eps, std::int64_t width,
                           BFloat16* y, float* inverse) {
  NormLoop(x, weight, eps, width, y, inverse);
}

ROUNDLAB_LOOP void NormBackwardLoop(const T* dy, const T* x, const float* weight, float r,
                                    std::int64_t width, T* dx) {
  float sums[kLanes] = {};
  std::int64_t i = 0;
  const auto slope = [&](std::int64_t k) { return Rounded<T>(ToFloat(dy[k]) * weight[k]); };
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += slope(i + k) * ToFloat(x[i + k]);
  }
  double total = 0;
  for (; i < width; ++i) total += static_cast<double>(slope(i) * ToFloat(x[i]));
  for (const float sum : sums) total += static_cast<double>(sum);
  const float c = static_cast<float>(total) * r * r * r / static_cast<float>(width);
  for (std::int64_t k = 0; k < width; ++k) dx[k] = FromFloat<T>(r * slope(k) - ToFloat(x[k]) * c);
}
ROUNDLAB_SIMD void NormRowBackward(const float* dy, const float* x, const float* weight, float r,
                                   std::int64_t width, float* dx) {
  NormBackwardLoop(dy, x, weight, r, width, dx);
}
ROUNDLAB_SIMD void NormRowBackward(const BFloat16* dy, const BFloat16* x, const float* weight,
                                   float r, std::int64_t width, BFloat16* dx) {
  NormBackwardLoop(dy, x, weight, r, width, dx);
}

ROUNDLAB_SIMD void AddWeightGradient(const float* dy, const float* x, float r, std::int64_t width,
                                     float* sum) {
  for (std::int64_t k = 0; k < width; ++k) sum[k] += dy[k] * x[k] * r;
}

ROUNDLAB_LOOP void RopeLoop(const T* x, const float* cosine, const float* sine, float sign,
                            std::int64_t half, T* y) {
  for (std::int64_t k = 0; k < half; ++k) {
    const float a = ToFloat(x[k]);
    const float b = ToFloat(x[k + half]);
    const float s = sign * sine[k];
    y[k] = FromFloat<T>(a * cosine[k] - b * s);
    y[k + half] = FromFloat<T>(b * cosine[k] + a * s);
  }
}
ROUNDLAB_SIMD void RopeRow(const float* x, const float* cosine, const float* sine, float sign,
                           std::int64_t half, float* y) {
  RopeLoop(x, cosine, sine, sign, half, y);
}
ROUNDLAB_SIMD void RopeRow(const BFloat16* x, const float* cosine, const float* sine, float sign,
                           std::int64_t half, BFloat16* y) {
  RopeLoop(x, cosine, sine, sign, half, y);
}

// Sigmoids have a loop of their own, over kPiece numbers that stay in the first-level cache: mixed
// with 16-bit numbers they are a tenth as fast.
constexpr std::int64_t kPiece = 256;

/// Calls body(first, count) over [begin, end), kPiece at a time, then with the rest.
template <class Body>
[[gnu::always_inline]] inline void ByPieces(std::int64_t begin, std::int64_t end,
                                            const Body& body) {
  for (; begin + kPiece <= end; begin += kPiece) body(begin, kPiece);
  if (begin < end) body(begin, end - begin);
}

ROUNDLAB_LOOP void SwiGluLoop(const T* gate, const T* up, std::int64_t count, T* y) {
  ByPieces(0, count, [&] [[gnu::always_inline]] (std::int64_t i, std::int64_t n) {
    float x[kPiece];
    float s[kPiece];
    for (std::int64_t k = 0; k < n; ++k) x[k] = ToFloat(gate[i + k]);
    for (std::int64_t k = 0; k < n; ++k) s[k] = FastSigmoid(x[k]);
    for (std::int64_t k = 0; k < n; ++k) {
      y[i + k] = FromFloat<T>(Rounded<T>(x[k] * s[k]) * ToFloat(up[i + k]));
    }
  });
}
ROUNDLAB_SIMD void SwiGluRange(const float* gate, const float* up, std::int64_t count, float* y) {
  SwiGluLoop(gate, up, count, y);
}
ROUNDLAB_SIMD void SwiGluRange(const BFloat16* gate, const BFloat16* up, std::int64_t count,
                               BFloat16* y) {
  SwiGluLoop(gate, up, count, y);
}

ROUNDLAB_LOOP void SwiGluBackwardLoop(const SwiGluGradient<T>& in, std::int64_t begin,
                                      std::int64_t end, T* __restrict d_gate, T* __restrict d_up) {
  ByPieces(begin, end, [&] [[gnu::always_inline]] (std::int64_t i, std::int64_t n) {
    float x[kPiece];
    float s[kPiece];
    for (std::int64_t k = 0; k < n; ++k) x[k] = ToFloat(in.gate[i + k]);
    for (std::int64_t k = 0; k < n; ++k) s[k] = FastSigmoid(x[k]);
    for (std::int64_t k = 0; k < n; ++k) {
      const float dy = ToFloat(in.dy[i + k]);
      const float silu = x[k] * s[k];
      const float d_silu = Rounded<T>(dy * ToFloat(in.up[i + k]));
      d_gate[i + k] = FromFloat<T>(d_silu * (s[k] + silu * (1.0F - s[k])));
      d_up[i + k] = FromFloat<T>(dy * Rounded<T>(silu));
    }
  });
}
ROUNDLAB_SIMD void SwiGluBackwardRange(const SwiGluGradient<float>& in, std::int64_t begin,
                                       std::int64_t end, float* d_gate, float* d_up) {
  SwiGluBackwardLoop(in, begin, end, d_gate, d_up);
}
ROUNDLAB_SIMD void SwiGluBackwardRange(const SwiGluGradient<BFloat16>& in, std::int64_t begin,
                                       std::int64_t end, BFloat16* d_gate, BFloat16* d_up) {
  SwiGluBackwardLoop(in, begin, end, d_gate, d_up);
}

#undef ROUNDLAB_LOOP

}  // namespace

template <class T>
void RmsNormForward(const T* x, const float* weight, float eps, std::int64_t rows,
                    std::int64_t width, T* y, float* inverse_rms) {
  at::parallel_for(0, rows, RowGrain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      NormRow(x + row * width, weight, eps, width, y + row * width, inverse_rms + row);
    }
  });
}

template <class T>
void RmsNormBackward(const RmsNormGradient<T>& in, std::int64_t rows, std::int64_t width, T* dx) {
  at::parallel_for(0, rows, RowGrain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t at = row * width;
      NormRowBackward(in.dy + at, in.x + at, in.weight, in.inverse_rms[row], width, dx + at);
    }
  });
}

void RmsNormWeightBackward(const RmsNormGradient<float>& in, std::int64_t rows, std::int64_t width,
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

template <class T>
void Rope(const T* x, const float* cosine, const float* sine, const RopeShape& shape, float sign,
          T* y) {
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

template <class T>
void SwiGluForward(const T* gate, const T* up, std::int64_t count, T* y) {
  at::parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    SwiGluRange(gate + begin, up + begin, end - begin, y + begin);
  });
}

template <class T>
void SwiGluBackward(const SwiGluGradient<T>& in, std::int64_t count, T* d_gate, T* d_up) {
  at::parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    SwiGluBackwardRange(in, begin, end, d_gate, d_up);
  });
}

#define ROUNDLAB_FOR(T)                                                                       \
  template void RmsNormForward(const T*, const float*, float, std::int64_t, std::int64_t, T*, \
                               float*);                                                       \
  template void RmsNormBackward(const RmsNormGradient<T>&, std::int64_t, std::int64_t, T*);   \
  template void Rope(const T*, const float*, const float*, const RopeShape&, float, T*);      \
  template void SwiGluForward(const T*, const T*, std::int64_t, T*);                          \
  template void SwiGluBackward(const SwiGluGradient<T>&, std::int64_t, T*, T*);
ROUNDLAB_FOR(float)
ROUNDLAB_FOR(BFloat16)
#undef ROUNDLAB_FOR

}  // namespace roundlab
