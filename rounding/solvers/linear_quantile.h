#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// The q-quantile (0 to 1) of all elements, between neighbors by linear interpolation, which is
/// NumPy's default. values: any shape and dtype, not empty; compared in float32.
double LinearQuantile(const at::Tensor& values, double q);

}  // namespace roundlab
