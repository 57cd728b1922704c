#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace roundlab {

/// What two paired samples say of mean(b) - mean(a). A figure that the samples leave undefined (too
/// few values, one that is not finite) is NaN, never 0.
struct PairedResult {
  double difference;  ///< mean(b) - mean(a)
  double low;         ///< 95 % confidence interval of the difference
  double high;
  double p;  ///< two-sided, of no difference
};

// a[i] and b[i] belong together. In all three tests interval and p agree: 0 lies outside [low,
// high] just where p < 0.05; in the bootstrap where p <= 0.05, if resamples + 1 is a multiple
// of 40.

/// Student's paired t test: with d = b - a and n - 1 degrees of freedom,
/// t = mean(d) / (s(d) / sqrt(n)); the interval is mean(d) +- StandardError(d) t_0.975. Where all d
/// are the same they tell no spread: low and high are the mean, p is NaN.
PairedResult PairedT(std::span<const double> a, std::span<const double> b);

/// What n pairs say: mean(b) - mean(a) with its standard error.
struct PairedMean {
  double difference;
  double error;
  std::size_t count;
};

/// The two-sided p of no difference of the mean of several mean differences, each of other pairs:
/// t = sum(d) / sqrt(sum(e^2)) with sum(e^2)^2 / sum(e^4 / (n - 1)) degrees of freedom (Welch
/// 1947). NaN where one of them is undefined or all errors are 0.
double MeanOfSeveralP(std::span<const PairedMean> several);

struct BootstrapOptions {
  std::int64_t resamples = 9999;  ///< > 0; below 39 the interval is NaN
  std::uint64_t seed = 0;         ///< of the stream "paired_bootstrap"
};

/// Percentile bootstrap (Davison and Hinkley 1997, 4.4 and 5.3): the mean of n differences drawn
/// with replacement, R times. The interval is from the k-th smallest to the k-th largest mean,
/// k = floor((R + 1) / 40); p = 2 (min(#{mean <= 0}, #{mean >= 0}) + 1) / (R + 1), at most 1.
PairedResult PairedBootstrap(std::span<const double> a, std::span<const double> b,
                             const BootstrapOptions& options);

/// McNemar's exact test of values that are 0 or 1. With x pairs (0, 1) and y pairs (1, 0),
/// m = x + y: p = 2 P(Binomial(m, 1/2) <= min(x, y)), at most 1. The interval is the one that
/// agrees with p (Fay and Lumbard 2021, Statistics in Medicine 40(5)): the difference is
/// psi (2 theta - 1), psi the share of unequal pairs and theta that of (0, 1) among them, and `low`
/// the smaller of the 0.025 quantiles of it with theta ~ Beta(x, y + 1) and
/// psi ~ Beta(m, n - m + 1) or psi ~ Beta(m + 1, n - m); `high` by exchange of a and b. A beta
/// distribution with parameter 0 is all at that end.
PairedResult ExactMcNemar(std::span<const double> a, std::span<const double> b);

}  // namespace roundlab
