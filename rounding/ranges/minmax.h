#pragma once

#include "rounding/range.h"

namespace roundlab {

/// All of the weights.
class MinMaxEstimator : public RangeEstimator {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit MinMaxEstimator(const Options& options);
  bool AnyDevice() const override { return true; }
  GroupRange Estimate(const LayerContext& layer) const override;
};

}  // namespace roundlab
