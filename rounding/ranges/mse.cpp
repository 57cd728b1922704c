#include "rounding/ranges/mse.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/kernels/ops.h"
#include "rounding/best_range.h"

namespace roundlab {
namespace {

/// E[x^2] of each weight's column, in groups [groups, width]; undefined where it is not known.
at::Tensor Importance(const LayerContext& layer) {
  if (!layer.inputs) {
    throw Error(layer.name + ": range 'mse' with weight_by_inputs needs calibration data");
  }
  const at::Tensor& importance = layer.inputs->square_mean;
  if (!importance.defined() || !importance.isfinite().all().item<bool>()) {
    if (layer.tell) {
      layer.tell(layer.name + ": errors of its weights count alike, since no input is usable");
    }
    return {};
  }
  return layer.Layout().Split(importance.expand_as(layer.weight));
}

}  // namespace

void MseEstimator::Options::Fields(FieldVisitor& f) {
  f.Int("steps", &steps, AtLeast(1), "candidates in the unit interval");
  f.Real("shrink", &shrink, Between(0, 1), "largest part of the range to take away");
  f.Real("norm", &norm, Above(0), "exponent of the rounding error");
  f.Int("patience", &patience, AtLeast(0),
        "stop after so many steps that made no group of the tensor better; 0: never");
  f.Bool("weight_by_inputs", &weight_by_inputs, "count each error by E[x^2] of its column");
}
MseEstimator::MseEstimator(const Options& options) : options_(options) {}

LayerNeeds MseEstimator::Uses() const {
  LayerNeeds needs;
  needs.inputs.square_mean = options_.weight_by_inputs;
  needs.chain = Chain::kOriginal;
  return needs;
}

std::int64_t MseEstimator::Candidates() const {
  const auto count =
      static_cast<std::int64_t>(options_.shrink * static_cast<double>(options_.steps));
  return std::max<std::int64_t>(count, 1);
}

GroupRange MseEstimator::Estimate(const LayerContext& layer) const {
  const QuantSpec& spec = layer.spec;
  const at::Tensor groups = layer.Layout().Split(layer.weight);
  const GroupRange whole = MinMaxRange(groups);
  const at::Tensor importance = options_.weight_by_inputs ? Importance(layer) : at::Tensor();
  BestRange best;
  std::int64_t idle = 0;  // steps in a row
  for (std::int64_t i = 0; i < Candidates(); ++i) {
    const double p = 1 - static_cast<double>(i) / static_cast<double>(options_.steps);
    const GroupRange candidate{whole.low * p, whole.high * p};
    const AffineGrid grid = MakeGrid(candidate, spec);
    const at::Tensor rounded = FakeQuant(groups, {}, grid.scale, grid.zero, spec.CodeMax());
    const at::Tensor better =
        best.Try(candidate, SumOfPowers(rounded - groups, options_.norm, importance));
    if (options_.patience == 0) continue;
    idle = better.any().item<bool>() ? 0 : idle + 1;
    if (idle == options_.patience) break;
  }
  return best.Best();
}

Work MseEstimator::WorkOn(const LayerShape& layer) const {
  const auto candidates = static_cast<double>(Candidates());
  return {.values = candidates * kValuesOfACandidate * layer.Weights(), .ops = 12 * candidates};
}

}  // namespace roundlab
