#include "rounding/solvers/awq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// Mean over tokens of squared output errors of each group of each row: error [out, in], inputs
/// [groups, tokens, width] -> [out, groups]. Some rows at a time, so that no tensor gets large.
at::Tensor OutputErrors(const at::Tensor& error, const at::Tensor& inputs,
                        const GroupLayout& rows) {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;  // elements of a product
  const std::int64_t chunk =
      std::max<std::int64_t>(1, kMost / std::max<std::int64_t>(1, rows.per_row * inputs.size(1)));
  const at::Tensor groups = rows.Split(error).view({rows.out, rows.per_row, rows.width});
  at::Tensor means = at::empty({rows.out, rows.per_row}, error.options());
  for (std::int64_t begin = 0; begin < rows.out; begin += chunk) {
    const std::int64_t count = std::min(chunk, rows.out - begin);
    const at::Tensor part = groups.narrow(0, begin, count).permute({1, 2, 0});
    means.narrow(0, begin, count).copy_(at::bmm(inputs, part).square_().mean(1).t());
  }
  return means;
}

}  // namespace

AwqScaleSolution SearchAwqScale(const AwqScaleProblem& problem) {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(!problem.weights.empty() && problem.absolute_mean.dim() == 1 && problem.ratios > 0,
                 "weights, absolute_mean [in] and ratios");
  AwqScaleSolution solution;
  solution.scale = at::ones_like(problem.absolute_mean);
  solution.found = false;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < problem.ratios; ++i) {
    const double ratio = static_cast<double>(i) / static_cast<double>(problem.ratios);
    at::Tensor scale = problem.absolute_mean.pow(ratio).clamp_min_(1e-4);
    scale.div_((scale.max() * scale.min()).sqrt());
    std::vector<at::Tensor> weights;
    for (std::size_t k = 0; k < problem.weights.size(); ++k) {
      weights.push_back(problem.quantize(problem.weights[k] * scale, k) / scale);
    }
    const double loss = problem.loss(weights);
    solution.losses.push_back(loss);
    if (!std::isfinite(loss) || loss >= least) continue;
    least = loss;
    solution.scale = scale;
    solution.ratio = ratio;
    solution.found = true;
  }
  return solution;
}

at::Tensor SearchAwqClip(const AwqClipProblem& problem) {
  const at::NoGradGuard no_grad;
  const GroupLayout& layout = problem.layout;
  const bool whole = layout.scale_rows != layout.out;
  const GroupLayout rows = whole ? GroupLayout::For(layout.out, layout.in, -1) : layout;
  ROUNDLAB_CHECK(problem.inputs.dim() == 2 && problem.inputs.size(0) > 0 &&
                     problem.inputs.size(1) == layout.in,
                 "inputs must be [tokens, in]");
  const at::Tensor inputs =
      at::constant_pad_nd(problem.inputs, {0, rows.per_row * rows.width - rows.in})
          .view({-1, rows.per_row, rows.width})
          .transpose(0, 1)
          .contiguous();
  const at::Tensor groups = layout.Split(problem.weight);
  const at::Tensor largest = groups.abs().amax(1);
  const auto count =
      static_cast<std::int64_t>(problem.max_shrink * static_cast<double>(problem.steps));
  at::Tensor best = largest;
  at::Tensor least = at::full_like(largest, std::numeric_limits<double>::infinity());
  for (std::int64_t i = 0; i < std::max<std::int64_t>(1, count); ++i) {
    const at::Tensor clip =
        largest * (1 - static_cast<double>(i) / static_cast<double>(problem.steps));
    const at::Tensor bound = clip.unsqueeze(1);
    const at::Tensor decoded = problem.quantize(at::min(at::max(groups, -bound), bound));
    at::Tensor error = OutputErrors(layout.Join(decoded) - problem.weight, inputs, rows);
    error = whole ? error.sum().view({1}) : error.flatten();
    const at::Tensor better = error < least;
    least = at::where(better, error, least);
    best = at::where(better, clip, best);
  }
  return best;
}

}  // namespace roundlab
