#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// Adds x^T x on and above the diagonal of `sum` [in, in], which is begun where it is undefined;
/// below it, anything. x [tokens, in] float32 or float64, contiguous, as `sum` is; or bfloat16 on a
/// CPU, whose products are exact in float32, in which they are added up: on tile units
/// (bfloat16_tile.h) in a seventh of the time, where there are.
void AddSecondMoment(at::Tensor* sum, const at::Tensor& x);

}  // namespace roundlab
