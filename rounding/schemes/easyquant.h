#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rounding/scheme.h"

namespace roundlab {

/// EasyQuant (arXiv 2403.02775), which needs no data. Weights with |w - mean| > outliers std, over
/// the whole matrix, are kept in float16 beside the codes, where they count as 0. Of the others
/// each group's scale starts at max|w| / (2^(bits-1) - 1) and follows the gradient of its rounding
/// error, codes held, half way to their minimum a step:
///   q = clamp(round(w / s), -2^(bits-1), 2^(bits-1) - 1)
///   s <- s - sum((s q - w) q) / (2 sum(q^2))
/// and the s of least error is taken. The paper has one scale a row. Zero points are 2^(bits-1)
/// whatever quant.grid says. There is no public code of it: the step size is ours, the paper gives
/// none.
class EasyQuant : public RoundingScheme {
 public:
  struct Options {
    double outliers = 3;
    std::int64_t steps = 100;
    void Fields(FieldVisitor& f);
  };
  explicit EasyQuant(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override { return {.tunable = false, .quant = {.grid = false}}; }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid), .own_range = true};
  }
  LayerTraits OnLayer(const LayerShape& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;

 private:
  Options options_;
};

/// Where |w - mean| > sigmas std, mean and population standard deviation over all of `weight`;
/// bool, as weight.
at::Tensor FarFromMean(const at::Tensor& weight, double sigmas);

/// A scale of each group and the squared error that it leaves. float64 [groups].
struct FittedScale {
  at::Tensor best;  ///< of least error among all from the first to the last; the first of equal
  at::Tensor best_error;
  at::Tensor last;  ///< after all steps
  at::Tensor last_error;
};

/// EasyQuant's descent. groups: [groups, width].
FittedScale FitScale(const at::Tensor& groups, std::int64_t bits, std::int64_t steps);

}  // namespace roundlab
