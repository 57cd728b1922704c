#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roundlab {

/// How a matrix [out, in] is cut into groups that share a scale: `per_row` groups of `width` along
/// the input. Where width does not divide `in`, the last group of a row is filled with zeros.
/// A whole tensor (group_size 0) is one group of out * in.
struct GroupLayout {
  std::int64_t out = 0;
  std::int64_t in = 0;
  std::int64_t width = 0;
  std::int64_t per_row = 0;     ///< columns of scale
  std::int64_t scale_rows = 0;  ///< rows of scale: out, or 1 for a whole tensor and groups down
  /// Groups take every per_row-th weight in row order: where width divides out, those of a column.
  bool down = false;

  /// group_size as in QuantSpec; one larger than `in` is a row.
  static GroupLayout For(std::int64_t out, std::int64_t in, std::int64_t group_size);

  /// Groups of group_size weights down the columns (-1: a column, 0: the whole tensor), which must
  /// divide out * in: [out, in] as [group_size, groups], a group a column of that (mobiusml/hqq,
  /// axis 0). per_row is the number of groups, scale_rows 1.
  static GroupLayout Down(std::int64_t out, std::int64_t in, std::int64_t group_size);

  std::int64_t Count() const { return scale_rows * per_row; }
  bool Padded() const { return scale_rows * per_row * width != out * in; }

  at::Tensor Split(const at::Tensor& matrix) const;  ///< [out, in] -> [Count(), width], contiguous
  at::Tensor Join(const at::Tensor& groups) const;   ///< the inverse; drops the filling
};

}  // namespace roundlab
