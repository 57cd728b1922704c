#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rounding/scheme.h"

namespace roundlab {

/// What a weight's error counts by.
enum class Sensitivity {
  kFisher,  ///< the diagonal of the model's Fisher information
  kInputs,  ///< the mean square of its input
  kNone,    ///< all alike; no data
};
/// How the values of a table are found, see rounding/solvers/weighted_kmeans.h.
enum class TableSolver { kKMeans, kExact };

/// SqueezeLLM (arXiv 2306.07629; SqueezeAILab/SqueezeLLM a5fd71f, quantization/nuq.py): a table of
/// 2^bits values a row, in float16, of least
///   sum over the row of s (w - w^)^2,   s the weights' sensitivity
/// by k-means; quant.group_size, grid and range have no say. Dense and sparse: the weights of
/// largest sensitivity (`sensitive_share`: those above the k-th largest, k = floor(share n), so
/// that the k-th stays, as in squeezellm/outliers.py), and then those beyond a threshold of the
/// whole matrix,
///   |w| >= max(|q1 - r (q3 - q1)|, |q3 + r (q3 - q1)|),   q1, q3 its quartiles, r `outlier_range`
/// are kept in float16 beside the codes. In the table's row they count as zeros, and zeros have no
/// weight. The
/// paper removes 0.05 % and 0.4 %.
///
/// A row without any sensitivity (an expert that no token was sent to, channels that are never
/// active) has its weights count alike, and so has every row where one is not finite (infinite
/// inputs); such rows are counted and told. Errors: a table larger than
/// a row, weights that are not finite.
///
/// Diagnoses: outliers (part of the weights), unweighted_rows, weighted_error (the sum above),
/// unused_codes (part of all tables' values).
class SqueezeLlm : public RoundingScheme {
 public:
  struct Options {
    Sensitivity sensitivity = Sensitivity::kFisher;
    TableSolver solver = TableSolver::kKMeans;
    std::int64_t iterations = 50;
    double outlier_range = 0;
    double sensitive_share = 0;
    void Fields(FieldVisitor& f);
  };
  explicit SqueezeLlm(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override {
    return {.tunable = false,
            .draws = options_.solver == TableSolver::kKMeans,
            .on_grid = false,
            .needs = {.inputs = {.square_mean = options_.sensitivity == Sensitivity::kInputs},
                      .fisher = options_.sensitivity == Sensitivity::kFisher},
            .quant = {.group_size = false, .grid = false}};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid), .own_range = true};
  }
  LayerTraits OnLayer(const LayerShape& /*layer*/) const override { return {.plain_codes = false}; }
  Work WorkOn(const LayerShape& layer) const override;
  void Check(const LayerShape& layer) const override;

 private:
  Options options_;
};

/// The threshold above; linear interpolation between order statistics.
double OutlierThreshold(const at::Tensor& weight, double range);
/// Where weights are taken out, bool, as weight. range and share as above, 0 for none.
at::Tensor SqueezeOutliers(const at::Tensor& weight, const at::Tensor& sensitivity, double range,
                           double share);

}  // namespace roundlab
