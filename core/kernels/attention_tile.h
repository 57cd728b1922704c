#pragma once

#include <cstdint>

#include "core/kernels/tile_product.h"

// What the forward and the backward pass of attention are made of; not for other folders.

namespace roundlab {

constexpr std::int64_t kQueryBlock = 64;  ///< queries a work item takes together

/// The next multiple of kTileColumns.
constexpr std::int64_t TileWidth(std::int64_t n) {
  return (n + kTileColumns - 1) / kTileColumns * kTileColumns;
}

/// Rows of `dim` numbers as MultiplyTile reads them transposed: panels [dim, 32] of 32 rows each,
/// so that rows from `first` on, a multiple of 32, lie at panels + first * dim. Puts in row
/// `place`.
inline void PutPanelRow(const float* row, std::int64_t place, std::int64_t dim, float* panels) {
  const std::int64_t lane = place % kTileColumns;
  float* panel = panels + (place - lane) * dim + lane;
  for (std::int64_t d = 0; d < dim; ++d) panel[d * kTileColumns] = row[d];
}

/// x[i] = exp(scale (x[i] - top)) over [first, last), top their largest; 0 where that is below
/// e^-50, and elsewhere in [0, width), which is whole tiles of any numbers. Returns the sum.
float SoftmaxRow(float* x, std::int64_t first, std::int64_t last, std::int64_t width, float scale);

/// A row of the backward pass of softmax(scale s), over [first, last).
struct ScoreRow {
  float* weight;    ///< as SoftmaxRow leaves it; divided by `sum` here
  float* gradient;  ///< dL/dsoftmax(scale s); becomes dL/ds, 0 elsewhere in [0, width)
  std::int64_t first;
  std::int64_t last;
  std::int64_t width;
  float sum;  ///< as SoftmaxRow returned it
  float scale;
};

void ScoreGradient(const ScoreRow& row);

}  // namespace roundlab
