#pragma once

#include <ATen/core/Tensor.h>

#include "core/quant/grid.h"

namespace roundlab {

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

}  // namespace roundlab
