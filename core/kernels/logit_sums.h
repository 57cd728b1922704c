#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// Of each row of logits.
struct LogitSums {
  at::Tensor log;    ///< [rows] float64, log(sum(exp(x))); not finite where the largest is not
  at::Tensor place;  ///< [rows] int64, of the largest, of equal ones the first
};

/// logits: [rows, columns] float32 on any device, contiguous. On a GPU by a fused kernel where it
/// is there: logits of a large vocabulary are read once.
LogitSums SumLogits(const at::Tensor& logits);

namespace reference {

/// The same in plain ATen operations.
LogitSums SumLogits(const at::Tensor& logits);

}  // namespace reference

}  // namespace roundlab
