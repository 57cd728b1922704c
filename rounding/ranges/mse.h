#pragma once

#include "rounding/range.h"

namespace roundlab {

/// The min-max range shrunk by the factor p = 1 - i / steps, i < shrink * steps, for which rounding
/// to nearest leaves the least sum |w^ - w|^norm of the group (IST-DASLab/gptq quant.py, --mse).
/// With `weight_by_inputs` each error counts E[x^2] of its column ("importance matrix"), over the
/// unquantized model's inputs. With `patience` the search is over after so many steps in a row in
/// which no group of the tensor got better (llm-compressor observers/mse.py: shrink 0.2, 5 steps).
class MseEstimator : public RangeEstimator {
 public:
  struct Options {
    std::int64_t steps = 100;
    double shrink = 0.8;
    double norm = 2.4;
    std::int64_t patience = 0;  ///< 0: all steps
    bool weight_by_inputs = false;
    void Fields(FieldVisitor& f);
  };
  explicit MseEstimator(const Options& options);
  bool AnyDevice() const override { return true; }
  GroupRange Estimate(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;
  LayerNeeds Uses() const override;

 private:
  std::int64_t Candidates() const;  ///< the whole range among them

  Options options_;
};

}  // namespace roundlab
