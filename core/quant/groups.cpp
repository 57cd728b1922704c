#include "core/quant/groups.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"

namespace roundlab {

GroupLayout GroupLayout::For(std::int64_t out, std::int64_t in, std::int64_t group_size) {
  ROUNDLAB_CHECK(out > 0 && in > 0 && group_size >= -1, "a matrix and a group size");
  if (group_size == 0) return {out, in, out * in, 1, 1};
  const std::int64_t width = group_size == -1 ? in : std::min(group_size, in);
  return {out, in, width, (in + width - 1) / width, out};
}

GroupLayout GroupLayout::Down(std::int64_t out, std::int64_t in, std::int64_t group_size) {
  ROUNDLAB_CHECK(out > 0 && in > 0 && group_size >= -1, "a matrix and a group size");
  std::int64_t width = group_size;
  if (group_size <= 0) width = group_size == 0 ? out * in : out;
  ROUNDLAB_CHECK(out * in % width == 0, "groups must fill the matrix");
  return {out, in, width, out * in / width, 1, true};
}

at::Tensor GroupLayout::Split(const at::Tensor& matrix) const {
  ROUNDLAB_CHECK(matrix.dim() == 2 && matrix.size(0) == out && matrix.size(1) == in,
                 "matrix must have the layout's shape");
  if (down) return matrix.reshape({width, per_row}).t().contiguous();
  if (!Padded()) return matrix.contiguous().reshape({Count(), width});
  return at::constant_pad_nd(matrix, {0, per_row * width - in}).reshape({Count(), width});
}

at::Tensor GroupLayout::Join(const at::Tensor& groups) const {
  if (down) return groups.t().reshape({out, in});
  if (!Padded()) return groups.reshape({out, in});
  return groups.reshape({out, per_row * width}).narrow(1, 0, in).contiguous();
}

}  // namespace roundlab
