#pragma once

#include <string>
#include <vector>

#include "rounding/range.h"

namespace roundlab {

/// AWQ's clipped ranges (arXiv 2306.00978, auto_clip.py), see SearchAwqClip: the largest |w| of
/// each group that leaves the least error in the layer's outputs over a sample of its inputs.
/// Inputs are those of the unquantized model. q and k keep the range of their weights, as there.
/// Unlike there, 0 is always in the range, and of a sample the tokens are taken evenly: every (n /
/// tokens)-th.
class AwqClip : public RangeEstimator {
 public:
  struct Options {
    std::int64_t steps = 20;
    double max_shrink = 0.5;
    std::int64_t tokens = 512;
    bool skip_query_key = true;
    void Fields(FieldVisitor& f);
  };
  explicit AwqClip(const Options& options) : options_(options) {}
  bool AnyDevice() const override { return true; }
  GroupRange Estimate(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;
  LayerNeeds Uses() const override;

 private:
  Options options_;
};

}  // namespace roundlab
