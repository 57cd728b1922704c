#include "core/base/paired.h"

#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/statistics.h"

namespace roundlab {
namespace {

using Beta = boost::math::beta_distribution<double>;

constexpr double kTail = 0.025;  // of a 95 % interval, at each end

std::vector<double> Differences(std::span<const double> a, std::span<const double> b) {
  ROUNDLAB_CHECK(a.size() == b.size(),
                 std::to_string(a.size()) + " and " + std::to_string(b.size()) + " values");
  std::vector<double> differences;
  differences.reserve(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences.push_back(b[i] - a[i]);
  return differences;
}

/// Means of samples of differences.size() values, drawn with replacement; sorted.
std::vector<double> ResampledMeans(const std::vector<double>& differences,
                                   const BootstrapOptions& options) {
  const std::uint64_t size = differences.size();
  ROUNDLAB_CHECK(size < (std::uint64_t{1} << 32), std::to_string(size) + " values");
  std::mt19937_64 random(StreamSeed(options.seed, "paired_bootstrap"));
  // floor(size * word / 2^32) of each 32-bit word is uniform over the indices but for size / 2^32.
  const auto drawn = [&](std::uint64_t word) {
    return differences[static_cast<std::size_t>((size * word) >> 32)];
  };
  std::vector<double> means(static_cast<std::size_t>(options.resamples));
  for (double& mean : means) {
    double even = 0;
    double odd = 0;
    for (std::uint64_t i = 0; i < size; i += 2) {
      const std::uint64_t words = random();
      even += drawn(words >> 32);
      if (i + 1 < size) odd += drawn(words & 0xffffffffU);
    }
    mean = (even + odd) / static_cast<double>(size);
  }
  std::sort(means.begin(), means.end());
  return means;
}

/// Counts of pairs; up: (0, 1), down: (1, 0).
struct PairCounts {
  double all = 0;
  double up = 0;
  double down = 0;
};

/// P(psi (2 theta - 1) <= w) of McNemar's lower limit; psi is drawn from its lower distribution for
/// w > 0 and from its upper one for w < 0. Counts: up > 0, and all > up + down where w < 0.
double LowerLimitCdf(const PairCounts& n, double w) {
  const double unequal = n.up + n.down;
  const Beta theta(n.up, n.down + 1);
  const Beta psi = w > 0 ? Beta(unequal, n.all - unequal + 1) : Beta(unequal + 1, n.all - unequal);
  // What is cut off at the ends weighs 1e-12; between them the peak of theta can't be missed.
  const double first = boost::math::quantile(theta, 1e-12);
  const double last = boost::math::quantile(boost::math::complement(theta, 1e-12));
  const double from = w > 0 ? std::max(first, 0.5) : first;
  const double to = w > 0 ? last : std::min(last, 0.5);
  const auto density = [&](double t) {
    const double share = w / (2 * t - 1);
    if (!(share < 1)) return w > 0 ? boost::math::pdf(theta, t) : 0.0;
    const double chance = w > 0 ? boost::math::cdf(psi, share)
                                : boost::math::cdf(boost::math::complement(psi, share));
    return boost::math::pdf(theta, t) * chance;
  };
  const double within = from < to ? boost::math::quadrature::gauss_kronrod<double, 61>::integrate(
                                        density, from, to, 8, 1e-9)
                                  : 0;
  return w > 0 ? boost::math::cdf(theta, 0.5) + within : within;
}

/// The lower end of McNemar's interval; the upper one is minus that of the exchanged counts.
double McNemarLow(const PairCounts& n) {
  const double unequal = n.up + n.down;
  const bool all_unequal = n.all == unequal;
  if (n.up == 0) {
    if (all_unequal) return -1;
    return -boost::math::quantile(
        boost::math::complement(Beta(unequal + 1, n.all - unequal), kTail));
  }
  const Beta theta(n.up, n.down + 1);
  const double at_zero = boost::math::cdf(theta, 0.5) - kTail;
  if (at_zero == 0) return 0;
  if (at_zero > 0 && all_unequal) return 2 * boost::math::quantile(theta, kTail) - 1;
  const auto excess = [&](double w) { return LowerLimitCdf(n, w) - kTail; };
  const double from = at_zero < 0 ? 0 : -1;
  std::uintmax_t steps = 100;
  const auto [low, high] = boost::math::tools::toms748_solve(
      excess, from, from + 1, at_zero < 0 ? at_zero : -kTail, at_zero < 0 ? 1 - kTail : at_zero,
      boost::math::tools::eps_tolerance<double>(40), steps);
  return (low + high) / 2;
}

}  // namespace

PairedResult PairedT(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> differences = Differences(a, b);
  const double mean = Mean(differences);
  const double half = ConfidenceHalfWidth95(differences);
  if (!std::isfinite(half)) return {mean, kUndefined, kUndefined, kUndefined};
  if (half == 0) return {mean, mean, mean, kUndefined};
  const double t = std::fabs(mean) / StandardError(differences);
  const boost::math::students_t_distribution<double> student(
      static_cast<double>(differences.size()) - 1);
  return {mean, mean - half, mean + half,
          2 * boost::math::cdf(boost::math::complement(student, t))};
}

double MeanOfSeveralP(std::span<const PairedMean> several) {
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  for (const PairedMean& one : several) {
    if (one.count < 2) return kUndefined;
    const double square = one.error * one.error;
    sum += one.difference;
    squares += square;
    fourths += square * square / static_cast<double>(one.count - 1);
  }
  if (!std::isfinite(sum) || !(squares > 0) || !std::isfinite(squares)) return kUndefined;
  const boost::math::students_t_distribution<double> student(squares * squares / fourths);
  return 2 *
         boost::math::cdf(boost::math::complement(student, std::fabs(sum) / std::sqrt(squares)));
}

PairedResult PairedBootstrap(std::span<const double> a, std::span<const double> b,
                             const BootstrapOptions& options) {
  ROUNDLAB_CHECK(options.resamples > 0, "resamples is " + std::to_string(options.resamples));
  const std::vector<double> differences = Differences(a, b);
  PairedResult result = {Mean(differences), kUndefined, kUndefined, kUndefined};
  if (differences.size() < 2 || !std::isfinite(result.difference)) return result;
  const std::vector<double> means = ResampledMeans(differences, options);
  const auto places = static_cast<std::ptrdiff_t>((means.size() + 1) / 40);
  if (places > 0) {
    result.low = *(means.begin() + places - 1);
    result.high = *(means.end() - places);
  }
  const auto below = std::upper_bound(means.begin(), means.end(), 0.0) - means.begin();
  const auto above = means.end() - std::lower_bound(means.begin(), means.end(), 0.0);
  result.p = std::min(1.0, 2.0 * static_cast<double>(std::min(below, above) + 1) /
                               static_cast<double>(means.size() + 1));
  return result;
}

PairedResult ExactMcNemar(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> differences = Differences(a, b);
  if (differences.empty()) return {kUndefined, kUndefined, kUndefined, kUndefined};
  PairCounts n;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ROUNDLAB_CHECK((a[i] == 0 || a[i] == 1) && (b[i] == 0 || b[i] == 1),
                   "pair " + std::to_string(i) + " is not of 0 and 1");
    n.all += 1;
    n.up += differences[i] > 0 ? 1 : 0;
    n.down += differences[i] < 0 ? 1 : 0;
  }
  const boost::math::binomial_distribution<double> fair(n.up + n.down, 0.5);
  const double p = std::min(1.0, 2 * boost::math::cdf(fair, std::min(n.up, n.down)));
  return {Mean(differences), McNemarLow(n), -McNemarLow({n.all, n.down, n.up}), p};
}

}  // namespace roundlab
