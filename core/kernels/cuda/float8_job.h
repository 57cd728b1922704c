#pragma once

#include "core/kernels/cuda/jobs.h"

namespace roundlab::cuda {

/// Rows that one in so many is looked at for a column's scale, so that this costs little; and the
/// power of two that the largest of these gets, an eighth of what e4m3 holds. What is larger than
/// that is cut off, what is not finite becomes NaN.
constexpr std::int64_t kFloat8Sampled = 16;
constexpr int kFloat8Exponent = 5;

/// x [rows, columns] -> y [columns, rows] in e4m3 with x = scale y; rows a multiple of 16, columns
/// of 8, all pointers of 16 bytes.
struct Float8Job {
  Dtype dtype;
  const void* x;
  void* y;
  float* scale;           ///< [columns], a power of two
  std::int32_t* largest;  ///< [columns] scratch, 0 before
  std::int64_t rows;
  std::int64_t columns;
};

}  // namespace roundlab::cuda
