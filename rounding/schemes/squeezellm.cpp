#include "rounding/schemes/squeezellm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/config/enum_field.h"
#include "rounding/solvers/linear_quantile.h"
#include "rounding/solvers/weighted_kmeans.h"

namespace roundlab {
namespace {

const EnumNames<Sensitivity> kSensitivities = {{Sensitivity::kFisher, "fisher"},
                                               {Sensitivity::kInputs, "inputs"},
                                               {Sensitivity::kNone, "none"}};
const EnumNames<TableSolver> kSolvers = {{TableSolver::kKMeans, "kmeans"},
                                         {TableSolver::kExact, "exact"}};

at::Tensor SensitivityOf(const LayerContext& layer, Sensitivity kind) {
  const std::string needs = layer.name + ": scheme 'squeezellm' needs ";
  if (kind == Sensitivity::kNone) return at::ones_like(layer.weight);
  if (kind == Sensitivity::kFisher) {
    if (!layer.fisher.defined()) throw Error(needs + "gradients of the model's loss");
    return layer.fisher.contiguous();
  }
  if (!layer.inputs) throw Error(needs + "calibration data");
  if (layer.inputs->tokens == 0) return at::zeros_like(layer.weight);
  return layer.inputs->square_mean.expand_as(layer.weight).contiguous();
}

/// Values by rising order, so that codes rise with weights.
void SortTable(Clusters* row) {
  std::vector<std::size_t> order(row->centers.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return row->centers[a] < row->centers[b]; });
  std::vector<float> sorted(order.size());
  std::vector<std::int64_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    sorted[i] = row->centers[order[i]];
    place[order[i]] = static_cast<std::int64_t>(i);
  }
  row->centers = std::move(sorted);
  for (std::int64_t& label : row->labels) label = place[static_cast<std::size_t>(label)];
}

/// Codes and tables of all rows; their errors.
at::Tensor FitTables(const at::Tensor& dense, const at::Tensor& weights,
                     const std::function<Clusters(const WeightedPoints&, std::int64_t row)>& solve,
                     QuantizedWeight* rounded) {
  const std::int64_t out = dense.size(0);
  const std::int64_t in = dense.size(1);
  const std::int64_t values = std::int64_t{1} << rounded->spec.bits;
  rounded->codes = at::empty({out, in}, at::kByte);
  rounded->codebook = at::empty({out, values}, at::kFloat);
  const float* const w = dense.const_data_ptr<float>();
  const float* const s = weights.const_data_ptr<float>();
  auto* const codes = rounded->codes.mutable_data_ptr<std::uint8_t>();
  auto* const tables = rounded->codebook.mutable_data_ptr<float>();
  at::Tensor errors = at::empty({out}, at::kDouble);
  auto* const error = errors.mutable_data_ptr<double>();
  at::parallel_for(0, out, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const auto width = static_cast<std::size_t>(in);
      Clusters table = solve({{w + row * in, width}, {s + row * in, width}}, row);
      SortTable(&table);
      error[row] = table.error;
      std::copy(table.labels.begin(), table.labels.end(), codes + row * in);
      std::copy(table.centers.begin(), table.centers.end(), tables + row * values);
    }
  });
  rounded->codebook = rounded->codebook.to(at::kHalf).to(at::kFloat);
  return errors;
}

double UnusedCodes(const QuantizedWeight& rounded) {
  const at::Tensor used = at::zeros_like(rounded.codebook);
  used.scatter_(1, rounded.codes.to(at::kLong), 1);
  return 1 - used.mean(at::kDouble).item<double>();
}

}  // namespace

void SqueezeLlm::Options::Fields(FieldVisitor& f) {
  EnumField<Sensitivity> sensitivity_field(&sensitivity, kSensitivities);
  f.Value("sensitivity", sensitivity_field,
          "what a weight's error counts by: squared gradients of the model's loss, mean squares of "
          "the inputs, or nothing");
  EnumField<TableSolver> solver_field(&solver, kSolvers);
  f.Value("solver", solver_field,
          "kmeans: from a drawn start, as the original code; exact: the tables of least error");
  f.UsedIf(solver == TableSolver::kKMeans, "without solver: kmeans", [this](FieldVisitor& kmeans) {
    kmeans.Int("iterations", &iterations, AtLeast(1), "of k-means at the most");
  });
  f.Real("outlier_range", &outlier_range, AtLeast(0),
         "quartile ranges beyond the quartiles from which weights are kept apart; 0: none (the "
         "original code's example: 1.8)");
  f.Real("sensitive_share", &sensitive_share, Between(0, 0.5),
         "part of the weights, the most sensitive, that are kept apart (the paper: 0.0005)");
}

double OutlierThreshold(const at::Tensor& weight, double range) {
  const double q1 = LinearQuantile(weight, 0.25);
  const double q3 = LinearQuantile(weight, 0.75);
  return std::max(std::abs(q1 - range * (q3 - q1)), std::abs(q3 + range * (q3 - q1)));
}

at::Tensor SqueezeOutliers(const at::Tensor& weight, const at::Tensor& sensitivity, double range,
                           double share) {
  at::Tensor mask = at::zeros_like(weight, at::kBool);
  const auto count =
      static_cast<std::int64_t>(std::floor(share * static_cast<double>(weight.numel())));
  if (count > 0) {
    const at::Tensor largest = std::get<0>(sensitivity.flatten().topk(count));
    mask = sensitivity > largest[count - 1];
  }
  if (range > 0) mask = mask.logical_or(weight.abs() >= OutlierThreshold(weight, range));
  return mask;
}

void SqueezeLlm::Check(const LayerShape& layer) const {
  const std::int64_t values = std::int64_t{1} << layer.spec.bits;
  if (values <= layer.in) return;
  throw Error(layer.name + ": scheme 'squeezellm' with quant.bits " +
              std::to_string(layer.spec.bits) + ": a table of " + std::to_string(values) +
              " values is larger than its row of " + std::to_string(layer.in) + " weights");
}

std::unique_ptr<LayerRounding> SqueezeLlm::Begin(const LayerContext& layer) const {
  Check(layer.Shape());
  RequireFiniteWeight(layer);
  at::Tensor sensitivity = SensitivityOf(layer, options_.sensitivity);
  if (!sensitivity.isfinite().all().item<bool>()) sensitivity = at::zeros_like(sensitivity);
  const at::Tensor kept =
      SqueezeOutliers(layer.weight, sensitivity, options_.outlier_range, options_.sensitive_share);
  const at::Tensor dense = layer.weight.masked_fill(kept, 0).contiguous();
  const at::Tensor counts = sensitivity.masked_fill(dense == 0, 0);
  const at::Tensor bare = counts.sum(1, false, at::kDouble) == 0;
  const at::Tensor weights = at::where(bare.unsqueeze(1), at::ones_like(counts), counts);
  const auto unweighted = bare.sum().item<std::int64_t>();
  if (unweighted > 0 && layer.tell) {
    layer.tell(layer.name + ": " + std::to_string(unweighted) +
               " rows have no sensitivity: their weights count alike");
  }
  const auto solve = [&](const WeightedPoints& points, std::int64_t row) {
    const std::int64_t values = std::int64_t{1} << layer.spec.bits;
    if (options_.solver == TableSolver::kExact) return BestClusters(points, values);
    return DrawnClusters(points, values, options_.iterations,
                         StreamSeed(layer.seed, std::to_string(row)));
  };
  QuantizedWeight rounded;
  rounded.spec = layer.spec;
  const at::Tensor errors = FitTables(dense, weights, solve, &rounded).masked_fill(bare, 0);
  KeepApart(kept, layer.weight, &rounded);
  return FixedRounding(rounded, {{"outliers", {kept.to(at::kDouble).mean().item<double>()}},
                                 {"unweighted_rows", {static_cast<double>(unweighted)}},
                                 {"weighted_error", {errors.sum().item<double>()}},
                                 {"unused_codes", {UnusedCodes(rounded)}}});
}

Work SqueezeLlm::WorkOn(const LayerShape& layer) const {
  // Each weight is compared with each entry of its table.
  const auto entries = static_cast<double>(std::int64_t{1} << layer.spec.bits);
  const auto iterations = static_cast<double>(options_.iterations);
  return {.values = 6 * iterations * entries * layer.Weights(),
          .ops = static_cast<double>(layer.out)};
}

}  // namespace roundlab
