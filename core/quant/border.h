#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// What AQuant (arXiv 2208.11945) learns in the place of nearest rounding's 1/2: a value whose
/// fraction is above the border rounds up, others down.

/// sigmoid(b0 + b1 x + b2 x^2); all broadcast to x.
at::Tensor QuadraticBorder(const at::Tensor& x, const at::Tensor& b0, const at::Tensor& b1,
                           const at::Tensor& b2);

/// ceil(position - border) with a straight-through gradient: what rounds up and what down.
at::Tensor RoundAtBorder(const at::Tensor& position, const at::Tensor& border);

}  // namespace roundlab
