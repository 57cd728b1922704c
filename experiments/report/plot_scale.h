#pragma once

#include <string>
#include <vector>

#include "experiments/report/ticks.h"

namespace roundlab {

/// From values of an axis to places on the page.
class PlotScale {
 public:
  /// Covers the values that can be drawn, with a margin; a linear axis of values >= 0 that come
  /// near 0 begins at 0. `from` and `to`: places of the least and the greatest value.
  PlotScale(const std::vector<double>& values, bool log, double from, double to);
  /// For rows: 0 is the first, half a row below `from`.
  static PlotScale OfRows(std::size_t rows, double from, double to);

  bool Draws(double value) const;
  double operator()(double value) const;
  double From() const { return from_; }
  /// whole: at whole numbers only.
  std::vector<Tick> Ticks(int most, bool whole = false) const;
  /// "log 56 470 0.01 100": kind, from, to, values there; for the page's script.
  std::string Describe() const;

 private:
  PlotScale() = default;
  bool log_ = false;
  double from_ = 0;
  double to_ = 1;
  double low_ = 0;
  double high_ = 1;
};

}  // namespace roundlab
