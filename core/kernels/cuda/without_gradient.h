#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "core/kernels/cuda/load.h"
#include "core/kernels/feedback_block.h"
#include "core/kernels/float8_columns.h"

// The kernels that nothing is differentiated through, for the operations of core/kernels. `kernels`
// are those of LoadKernels(), or in tests the same source compiled for the host.

namespace roundlab::cuda {

/// x with rows a multiple of 16 and columns of 8.
Float8Columns ToFloat8Columns(const Kernels& kernels, const at::Tensor& x);
/// As core/kernels/error_feedback.h has it.
void ErrorFeedback(const Kernels& kernels, const FeedbackBlock& block, std::int64_t begin,
                   std::int64_t end);
/// [log, place] of LogitSums (core/kernels/logit_sums.h).
std::pair<at::Tensor, at::Tensor> SumLogits(const Kernels& kernels, const at::Tensor& logits);
void CopyIf(const Kernels& kernels, const at::Tensor& flag, const at::Tensor& from,
            const at::Tensor& to);

}  // namespace roundlab::cuda
