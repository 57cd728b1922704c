#pragma once

#include <ATen/core/Tensor.h>

#include "core/kernels/attention.h"

namespace roundlab {

/// reference::CausalAttention whose backward pass takes the ways that have one order of sums, also
/// where libtorch is told only to warn of those that have none. Gradient to all three.
at::Tensor OrderedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionOptions& options);

}  // namespace roundlab
