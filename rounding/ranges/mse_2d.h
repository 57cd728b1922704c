#pragma once

#include <cstdint>

#include "rounding/range.h"

namespace roundlab {

/// The range of least mean |w^ - w|^norm over `steps` widths and all zero points (BRECQ and QDrop's
/// "2-D search", as in onliwad101/FlexRound_LRQ at 59d4665, quant/UniformAffineQuantizer.py). With
/// the min-max range of width r, low <= 0 <= high, the candidates are, i = 1 .. steps,
///   asym  width r i / steps, low = -p width / Q for p = 0 .. Q
///   sym   +-m i / steps, m the largest |w|
/// and the first of equal ones wins. The reference searches tensors of one sign with p at that end
/// only, which is among the candidates here; its sym search is broken (the trial multiplies by 1
/// instead of the scale) and is not imitated. Costs steps 2^bits trial roundings in an asym grid.
class Mse2dEstimator : public RangeEstimator {
 public:
  struct Options {
    std::int64_t steps = 100;
    double norm = 2.4;
    void Fields(FieldVisitor& f);
  };
  explicit Mse2dEstimator(const Options& options) : options_(options) {}
  bool AnyDevice() const override { return true; }
  GroupRange Estimate(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;

 private:
  Options options_;
};

}  // namespace roundlab
