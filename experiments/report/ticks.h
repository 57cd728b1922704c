#pragma once

#include <string>
#include <vector>

namespace roundlab {

/// A value of an axis and how it is written there: "0.25", "200", "4e-6".
struct Tick {
  double value;
  std::string label;
};

/// Multiples of 1, 2 or 5 times a power of ten in [low, high]: of the smallest such step that gives
/// at most `most` (>= 2) of them. low < high, both finite.
std::vector<Tick> LinearTicks(double low, double high, int most);

/// For a logarithmic axis, 0 < low < high: 1, 2 and 5 times powers of ten; where these are more
/// than `most`, every power of ten, every second, ...; where the axis is shorter than two of them,
/// LinearTicks.
std::vector<Tick> LogTicks(double low, double high, int most);

/// With `digits` significant digits at most and without an empty exponent: "38.76", "1.2e-7".
std::string ShortNumber(double value, int digits);

}  // namespace roundlab
