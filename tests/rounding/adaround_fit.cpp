#include "tests/rounding/adaround_fit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>
#include <vector>

#include "tests/rounding/golden_cases.h"

namespace roundlab::testing {
namespace {

/// Size of `groups` groups a row: a power of two where they don't divide it.
std::int64_t GroupSizeOf(std::int64_t in, std::int64_t groups) {
  if (groups == 1) return -1;
  if (in % groups == 0) return in / groups;
  std::int64_t size = 1;
  while ((in + size - 1) / size > groups) size *= 2;
  return size;
}

BetaSchedule BetaOf(const std::string& schedule) {
  const bool cosine = schedule.find("cosine") != std::string::npos;
  return cosine ? BetaSchedule::kCosine : BetaSchedule::kLinear;
}

/// The first and the last exponent of a schedule that come nearest to `beta` from step `first` on,
/// to so few digits that not each warm-up has such.
void FitExponents(const at::Tensor& beta, std::int64_t first, AdaRound::Options* options) {
  constexpr int kDigits = 4;
  options->beta_start = 1;
  options->beta_end = 0;
  const std::int64_t steps = beta.size(0);
  std::vector<double> shares;  // of the first exponent, which the last one completes to 1
  for (std::int64_t step = first; step < steps; ++step) {
    shares.push_back(options->Beta(static_cast<double>(step) / static_cast<double>(steps)));
  }
  const at::Tensor share = at::tensor(shares, at::kDouble);
  const at::Tensor rest = 1 - share;
  const at::Tensor told = beta.slice(0, first).to(at::kDouble);
  const auto dot = [](const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(); };
  const at::Tensor mixed = dot(share, rest);
  const at::Tensor area = dot(share, share) * dot(rest, rest) - mixed * mixed;
  const auto fit = [&](const at::Tensor& own, const at::Tensor& other) {
    const at::Tensor way = dot(own, told) * dot(other, other) - dot(other, told) * mixed;
    return Rounded((way / area).item<double>(), kDigits);
  };
  options->beta_start = fit(share, rest);
  options->beta_end = fit(rest, share);
}

}  // namespace

double Rounded(double value, int digits) {
  std::ostringstream text;
  text << std::setprecision(digits) << value;
  return std::stod(text.str());
}

QuantSpec SpecOfScale(const at::Tensor& weight, const at::Tensor& scale) {
  QuantSpec spec;
  spec.scale_dtype = ScaleType::kFloat32;
  spec.group_size = GroupSizeOf(weight.size(1), scale.size(1));
  const GroupLayout layout = GroupLayout::For(weight.size(0), weight.size(1), spec.group_size);
  const GroupRange range = MinMaxRange(layout.Split(weight));
  const double steps = ((range.high - range.low) / scale.flatten()).median().item<double>();
  spec.bits = std::llround(std::log2(steps + 1));
  return spec;
}

std::int64_t StepsWithout(const SafetensorsFile& file, const std::string& schedule) {
  return (GoldenTensor(file, schedule + ".reg_loss") == 0).sum().item<std::int64_t>();
}

AdaRound::Options OptionsOf(const SafetensorsFile& file, const std::string& schedule) {
  AdaRound::Options best;
  best.beta_schedule = BetaOf(schedule);
  const at::Tensor beta = GoldenTensor(file, schedule + ".beta");
  const std::int64_t first = StepsWithout(file, schedule);
  const auto progress = [&](std::int64_t step) {
    return static_cast<double>(step) / static_cast<double>(beta.size(0));
  };
  double least = std::numeric_limits<double>::infinity();
  for (int percent = 0; percent < 100; ++percent) {
    AdaRound::Options trial = best;
    trial.warmup = percent / 100.0;
    const bool begins = progress(first) >= trial.warmup;
    if (!begins || (first > 0 && progress(first - 1) >= trial.warmup)) continue;
    // One step with a penalty tells no way from one exponent to another.
    if (beta.size(0) - first >= 2) FitExponents(beta, first, &trial);
    double gap = 0;
    for (std::int64_t step = first; step < beta.size(0); ++step) {
      gap = std::max(gap, std::abs(trial.Beta(progress(step)) - beta[step].item<double>()));
    }
    if (!(gap < least)) continue;
    least = gap;
    best = trial;
  }
  return best;
}

}  // namespace roundlab::testing
