#pragma once

#include <ATen/core/Tensor.h>

#include "core/quant/grid.h"

namespace roundlab {

/// Numbers read or written for a weight when a range is tried, powers counted as what they take.
constexpr double kValuesOfACandidate = 20;

/// Of ranges that are tried one after the other, the one of least error: each group has its own,
/// the earlier one of equals.
class BestRange {
 public:
  /// `error` of the shape of range.low. True where it is the best so far, of that shape; the first
  /// range is so everywhere.
  at::Tensor Try(const GroupRange& range, const at::Tensor& error);
  const GroupRange& Best() const { return best_; }

 private:
  GroupRange best_;
  at::Tensor least_;
};

/// Sum over each group [groups, width] of |errors|^norm, times `weight` [groups, width] where it is
/// defined: [groups], to be compared only. Above a norm of 4 it is the sum's logarithm, since
/// float32 ends at 1e-38: errors of a tenth and a norm of 40 would all be 0. `errors` is written
/// to.
at::Tensor SumOfPowers(const at::Tensor& errors, double norm, const at::Tensor& weight = {});

}  // namespace roundlab
