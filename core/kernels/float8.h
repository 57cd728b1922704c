#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/float8_columns.h"

namespace roundlab {

/// x [rows, columns], floating. A column's scale lets the largest magnitude of every 16th row lie
/// in [32, 64); magnitudes above 448 scales are cut off, so that one look at a part of the rows is
/// enough. What is not finite becomes NaN. One pass by a fused kernel on a GPU, where rows are a
/// multiple of 16 and columns of 8.
Float8Columns ToFloat8Columns(const at::Tensor& x);

/// dy [tokens, out], x [tokens, in] -> dy^T x [out, in] from both in e4m3. On a GPU of compute
/// capability 8.9 or newer, with all three sizes multiples of 16: by its 8-bit units, whose sums
/// have fewer bits than float32's, rounded to bfloat16. Elsewhere simulated in float32.
at::Tensor Float8Product(const at::Tensor& dy, const at::Tensor& x);

}  // namespace roundlab
