#include "rounding/solvers/awq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr std::int64_t kPortions = 8;  // of a lap: enough for a standard error

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

/// What a ratio has lost so far.
struct Racer {
  std::vector<double> losses;  // of each portion
  double sum = 0;
  bool runs = true;  // false: beaten, or not finite

  void See(const std::vector<double>& more) {
    for (const double loss : more) sum += loss;
    losses.insert(losses.end(), more.begin(), more.end());
    runs = std::isfinite(sum);
  }
};

/// The first of least loss among those that run; the first of all where none does.
std::size_t Leader(const std::vector<Racer>& racers) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < racers.size(); ++i) {
    if (!racers[i].runs) continue;
    if (!racers[best].runs || racers[i].sum < racers[best].sum) best = i;
  }
  return best;
}

std::int64_t Running(const std::vector<Racer>& racers) {
  return std::count_if(racers.begin(), racers.end(), [](const Racer& r) { return r.runs; });
}

/// Of `portions` in all. What they have seen of them is known: only the rest is open.
void DropTheBeaten(std::vector<Racer>* racers, double certainty, std::int64_t portions) {
  const Racer& leader = (*racers)[Leader(*racers)];
  const auto count = static_cast<double>(leader.losses.size());
  const double open = 1 - count / static_cast<double>(portions);
  for (Racer& racer : *racers) {
    if (!racer.runs || &racer == &leader) continue;
    const double mean = (racer.sum - leader.sum) / count;
    double squares = 0;
    for (std::size_t k = 0; k < leader.losses.size(); ++k) {
      squares += std::pow(racer.losses[k] - leader.losses[k] - mean, 2);
    }
    const double standard_error = std::sqrt(squares / (count - 1) / count * open);
    racer.runs = mean <= certainty * standard_error;
  }
}

double RatioOf(const AwqScaleProblem& problem, std::size_t i) {
  return static_cast<double>(i) / static_cast<double>(problem.ratios);
}

at::Tensor ScaleOf(const AwqScaleProblem& problem, std::size_t i) {
  const at::Tensor scale = problem.absolute_mean.pow(RatioOf(problem, i)).clamp_min_(1e-4);
  return scale.div_((scale.max() * scale.min()).sqrt());
}

std::vector<at::Tensor> ScaledWeights(const AwqScaleProblem& problem, const at::Tensor& scale) {
  std::vector<at::Tensor> weights;
  for (std::size_t k = 0; k < problem.weights.size(); ++k) {
    weights.push_back(problem.quantize(problem.weights[k] * scale, k) / scale);
  }
  return weights;
}

}  // namespace

AwqScaleSolution SearchAwqScale(const AwqScaleProblem& problem) {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(!problem.weights.empty() && problem.absolute_mean.dim() == 1 &&
                     problem.ratios > 0 && problem.portions > 0,
                 "weights, absolute_mean [in], ratios and portions");
  std::vector<Racer> racers(static_cast<std::size_t>(problem.ratios));
  std::int64_t seen = 0;
  while (seen < problem.portions) {
    const std::int64_t rest = problem.portions - seen;
    const std::int64_t count = problem.certainty > 0 ? std::min(kPortions, rest) : rest;
    for (std::size_t i = 0; i < racers.size(); ++i) {
      if (!racers[i].runs) continue;
      const at::Tensor scale = ScaleOf(problem, i);
      racers[i].See(problem.losses(ScaledWeights(problem, scale), seen, count));
    }
    seen += count;
    if (seen == problem.portions) break;
    DropTheBeaten(&racers, problem.certainty, problem.portions);
    if (Running(racers) == 1) break;
  }
  AwqScaleSolution solution;
  for (const Racer& racer : racers) {
    const auto portions = static_cast<std::int64_t>(racer.losses.size());
    solution.losses.push_back(racer.sum * static_cast<double>(problem.portions) /
                              static_cast<double>(portions));
    solution.seen.push_back(portions);
  }
  const std::size_t best = Leader(racers);
  solution.found = racers[best].runs;
  solution.scale = solution.found ? ScaleOf(problem, best) : at::ones_like(problem.absolute_mean);
  if (solution.found) solution.ratio = RatioOf(problem, best);
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
