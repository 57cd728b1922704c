#pragma once

#include <limits>
#include <span>

namespace roundlab {

/// Sums run in double. A figure that too few values leave undefined is NaN, never 0.
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// sum(x) / n; NaN for no values.
double Mean(std::span<const double> values);

/// Of a sample: sqrt(sum((x - mean)^2) / (n - 1)), in two passes; NaN for n < 2; 0 where all are
/// the same but for what rounding does (8 units in the last place).
double StandardDeviation(std::span<const double> values);

/// Of the mean: StandardDeviation / sqrt(n); NaN for n < 2.
double StandardError(std::span<const double> values);

/// Of the ratio sum(x) / sum(w) of values that come in pairs, to first order:
/// sqrt(n / (n - 1) * sum((x - ratio * w)^2)) / sum(w); for equal w that of the mean of x / w.
/// As many w as x; NaN for n < 2.
double RatioStandardError(std::span<const double> x, std::span<const double> w);

/// Half the width of the 95 % confidence interval of the mean, for independent normal values:
/// StandardError times the 0.975 quantile of Student's t with n - 1 degrees of freedom; NaN for
/// n < 2 or where a value is not finite.
double ConfidenceHalfWidth95(std::span<const double> values);

}  // namespace roundlab
