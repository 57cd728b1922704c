#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/kernels/attention.h"

namespace roundlab {

/// y_t = bias + sum over j < taps of w_j x_(t - j), a channel by itself, where w_j is column
/// taps - 1 - j of `taps`; rows before a text's first are 0.
/// x [batch, seq, channels] of any dtype; taps [channels, taps], bias [channels] or undefined, both
/// float32 -> float32 like x. segments: null, or those of packed texts, which x has as its only
/// batch (see Segment). ATen ops that autograd differentiates in x.
at::Tensor CausalConvolution(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& bias,
                             const std::vector<Segment>* segments);

}  // namespace roundlab
