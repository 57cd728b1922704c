#pragma once

#include <ATen/core/Tensor.h>

#include "core/config/registry.h"
#include "core/quant/grid.h"
#include "core/quant/spec.h"

namespace roundlab {

/// Chooses the range that each group's grid covers, from the weights alone.
class RangeEstimator {
 public:
  virtual ~RangeEstimator() = default;
  /// groups: [groups, width] float32 -> float32 [groups], low <= 0 <= high.
  virtual GroupRange Estimate(const at::Tensor& groups, const QuantSpec& spec) const = 0;
};

using RangeRegistry = Registry<RangeEstimator>;
using RangeRecipe = Recipe<RangeEstimator>;

/// minmax, mse.
RangeRegistry& RangeEstimators();

/// All of the weights.
class MinMaxEstimator : public RangeEstimator {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit MinMaxEstimator(const Options& options);
  GroupRange Estimate(const at::Tensor& groups, const QuantSpec& spec) const override;
};

/// The min-max range shrunk by the factor p = 1 - i / steps, i < shrink * steps, for which rounding
/// to nearest leaves the least sum |w^ - w|^norm of the group (IST-DASLab/gptq quant.py, --mse).
class MseEstimator : public RangeEstimator {
 public:
  struct Options {
    std::int64_t steps = 100;
    double shrink = 0.8;
    double norm = 2.4;
    void Fields(FieldVisitor& f);
  };
  explicit MseEstimator(const Options& options);
  GroupRange Estimate(const at::Tensor& groups, const QuantSpec& spec) const override;

 private:
  Options options_;
};

}  // namespace roundlab
