#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// parameter <- parameter - lr * sign(direction), in place; sign(0) = sign(NaN) = 0, as ATen's.
/// parameter, direction: any shape, the same; the same floating dtype and device. On the CPU
/// float32 and float64 run fused, without a temporary and on all of ATen's threads; all else as
/// SignStepReference. Call under NoGradGuard. Other graphs that saved `parameter` see the change.
void SignStep(const at::Tensor& parameter, const at::Tensor& direction, double lr);

/// The same in ATen operations, bit for bit.
void SignStepReference(const at::Tensor& parameter, const at::Tensor& direction, double lr);

}  // namespace roundlab
