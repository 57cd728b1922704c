#pragma once

#include <ATen/ATen.h>

#include "core/kernels/error_feedback.h"
#include "tests/support/random_tensor.h"

namespace roundlab::testing {

/// 9 rows of 37 columns in three groups.
inline FeedbackBlock RandomBlock(at::ScalarType dtype, bool shifted) {
  constexpr std::int64_t kOut = 9;
  constexpr std::int64_t kWidth = 37;
  FeedbackBlock block;
  block.weight = RandomTensor({kOut, kWidth}, 1).to(dtype);
  block.factor = (RandomTensor({kWidth, kWidth}, 2, 0.1).triu(1) + at::eye(kWidth)).to(dtype);
  if (shifted) block.shift = RandomTensor({kWidth, kWidth}, 3, 0.1).triu(1).to(dtype);
  block.scale = (RandomTensor({kOut, 3}, 4).abs() + 0.2).to(dtype);
  block.zero = RandomTensor({kOut, 3}, 5, 3).abs().round().to(dtype);
  block.group = at::arange(kWidth, at::kLong) % 3;
  block.code_max = 7;
  block.codes = at::full_like(block.weight, -1);
  block.error = at::full_like(block.weight, -1);
  return block;
}

}  // namespace roundlab::testing
