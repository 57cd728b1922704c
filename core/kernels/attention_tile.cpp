#include "core/kernels/attention_tile.h"

#include <algorithm>

#include "core/kernels/vector_math.h"

namespace roundlab {

// A weight of e^-50, 2e-22, no longer changes a float32 sum that has 1 in it. It is taken as 0: its
// products would be subnormal numbers, on which processors are slow (a third of a tuning step where
// attention is sharp).
constexpr float kNegligible = -50;

// A row is taken in whole tiles of kTileColumns, which no scalar rest slows down; `inside` tells
// which columns of a tile count.

ROUNDLAB_SIMD float SoftmaxRow(float* x, std::int64_t first, std::int64_t last, std::int64_t width,
                               float scale) {
  const std::int64_t begin = first / kTileColumns * kTileColumns;
  const std::int64_t end = TileWidth(last);
  const auto inside = [&](std::int64_t tile, int k) {
    return k >= static_cast<int>(first - tile) && k < static_cast<int>(last - tile);
  };
  float maxima[kTileColumns];
  std::fill_n(maxima, kTileColumns, x[first]);
  for (std::int64_t i = begin; i < end; i += kTileColumns) {
    for (int k = 0; k < kTileColumns; ++k) {
      const float one = inside(i, k) ? x[i + k] : maxima[k];
      maxima[k] = one > maxima[k] ? one : maxima[k];
    }
  }
  const float top = *std::max_element(maxima, maxima + kTileColumns);
  float sums[kTileColumns] = {};
  for (std::int64_t i = begin; i < end; i += kTileColumns) {
    for (int k = 0; k < kTileColumns; ++k) {
      const float below = scale * (x[i + k] - top);
      const float e = FastExp(below);
      x[i + k] = inside(i, k) && !(below < kNegligible) ? e : 0.0F;
      sums[k] += x[i + k];
    }
  }
  std::fill(x, x + begin, 0.0F);
  std::fill(x + end, x + width, 0.0F);
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

ROUNDLAB_SIMD void ScoreGradient(const ScoreRow& row) {
  float* const p = row.weight;  // 0 outside
  float* const g = row.gradient;
  const std::int64_t begin = row.first / kTileColumns * kTileColumns;
  const std::int64_t end = TileWidth(row.last);
  const float inverse = 1.0F / row.sum;
  float sums[kTileColumns] = {};
  for (std::int64_t i = begin; i < end; i += kTileColumns) {
    for (int k = 0; k < kTileColumns; ++k) {
      p[i + k] *= inverse;
      sums[k] += p[i + k] * g[i + k];
    }
  }
  float total = 0;
  for (const float sum : sums) total += sum;
  const float scale = row.scale;
  for (std::int64_t i = begin; i < end; ++i) g[i] = scale * p[i] * (g[i] - total);
  std::fill(g, g + begin, 0.0F);
  std::fill(g + end, g + row.width, 0.0F);
}

}  // namespace roundlab
