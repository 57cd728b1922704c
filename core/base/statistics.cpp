#include "core/base/statistics.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

namespace roundlab {
namespace {

double Count(std::span<const double> values) { return static_cast<double>(values.size()); }

}  // namespace

double Mean(std::span<const double> values) {
  if (values.empty()) return kUndefined;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / Count(values);
}

double StandardDeviation(std::span<const double> values) {
  if (values.size() < 2) return kUndefined;
  // The same but for the last bits, as means of the same numbers in another order: no spread.
  const double last_bits = 8 * std::numeric_limits<double>::epsilon() * std::fabs(values.front());
  const auto is_first = [&](double value) {
    return value == values.front() || std::fabs(value - values.front()) <= last_bits;
  };
  if (std::all_of(values.begin(), values.end(), is_first)) return 0;
  const double mean = Mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (Count(values) - 1));
}

double StandardError(std::span<const double> values) {
  return StandardDeviation(values) / std::sqrt(Count(values));
}

double RatioStandardError(std::span<const double> x, std::span<const double> w) {
  if (x.size() < 2) return kUndefined;
  const double weight = Mean(w) * Count(w);
  const double ratio = Mean(x) * Count(x) / weight;
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    squares += (x[i] - ratio * w[i]) * (x[i] - ratio * w[i]);
  }
  return std::sqrt(Count(x) / (Count(x) - 1) * squares) / weight;
}

double ConfidenceHalfWidth95(std::span<const double> values) {
  const double error = StandardError(values);
  if (std::isnan(error)) return kUndefined;
  const boost::math::students_t_distribution<double> student(Count(values) - 1);
  return error * boost::math::quantile(student, 0.975);
}

}  // namespace roundlab
