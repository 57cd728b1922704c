#pragma once

#include <limits>
#include <string>

namespace roundlab {

/// A closed or half-open interval of allowed values; prints as "[2, 8]", "(0, inf)".
struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open_low = false;

  bool Contains(double value) const;
  std::string ToString() const;
};
/// Of numbers that float32 is computed with: leaves room for what becomes of them.
constexpr double kMostInFloat = 1e30;
inline Interval AtLeast(double low) { return {low}; }
inline Interval Above(double low) { return {low, std::numeric_limits<double>::infinity(), true}; }
inline Interval Between(double low, double high) { return {low, high}; }

}  // namespace roundlab
