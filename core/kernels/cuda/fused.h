#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/cuda/load.h"
#include "core/kernels/range_quant.h"

// The fused kernels as differentiable tensor operations; not for other folders, which call ops.h.
// Arguments are as there, on one device; `kernels` are those of LoadKernels(), or in tests the same
// source compiled for the host.

namespace roundlab::cuda {

/// The fused kernels where `t` is on a GPU and of a dtype they have, else null.
const Kernels* KernelsFor(const at::Tensor& t);

at::Tensor RmsNorm(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight,
                   double eps);
at::Tensor ApplyRope(const Kernels& kernels, const at::Tensor& x, const at::Tensor& cosine,
                     const at::Tensor& sine);
at::Tensor SwiGlu(const Kernels& kernels, const at::Tensor& gate, const at::Tensor& up);
at::Tensor FakeQuant(const Kernels& kernels, const at::Tensor& weight, const at::Tensor& offset,
                     const at::Tensor& scale, const at::Tensor& zero, double code_max,
                     at::ScalarType dtype);
at::Tensor RangeFakeQuant(const Kernels& kernels, const RangeQuant& quant, at::ScalarType dtype,
                          const SignSteps& steps);
at::Tensor MeanSquaredError(const Kernels& kernels, const at::Tensor& output,
                            const at::Tensor& target);

}  // namespace roundlab::cuda
