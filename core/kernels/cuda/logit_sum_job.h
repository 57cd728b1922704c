#pragma once

#include <cstdint>

namespace roundlab::cuda {

/// A row is read in so many parts, each by a warp, since rows are few and long.
constexpr std::int64_t kRowParts = 16;

/// Of each part of each row of logits: its largest, the place of the first of these in the row, and
/// the sum of exp(x - largest). An empty part has the lowest float32, the last place and 0.
struct LogitSumJob {
  const float* logits;  ///< [rows, columns]
  float* largest;       ///< [rows, kRowParts], as the others
  std::int64_t* place;
  double* sum;
  std::int64_t rows;
  std::int64_t columns;
};

}  // namespace roundlab::cuda
