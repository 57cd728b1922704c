#pragma once

#include <cstdint>

namespace roundlab::cuda {

/// Columns [begin, end) of a FeedbackBlock (core/kernels/feedback_block.h), tensors of float64
/// where `wide`, else of float32.
struct FeedbackJob {
  bool wide;
  void* weight;               ///< [rows, width]
  const void* factor;         ///< [width, width]
  const void* shift;          ///< [width, width] or null
  const void* scale;          ///< [rows, groups]
  const void* zero;           ///< [rows, groups]
  const std::int64_t* group;  ///< [width]
  void* codes;                ///< [rows, width]
  void* error;                ///< [rows, width]
  double code_max;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t groups;
  std::int64_t begin;
  std::int64_t end;
};

}  // namespace roundlab::cuda
