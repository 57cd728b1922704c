#pragma once

#include <string>
#include <vector>

#include "experiments/plan/table_spec.h"

namespace roundlab {

/// Which axes are logarithmic; auto: those whose values ask for it.
enum class PlotLog { kAuto, kNone, kX, kY, kBoth };

/// A plot of an experiment's report: means over seeds with their 95 % intervals, a series a label.
struct PlotSpec {
  std::string title;  ///< empty: "y against x"
  /// Axis or metric. An axis whose labels are not all numbers gets a row a label, and y goes
  /// across.
  std::string x;
  std::string y;       ///< metric; several joined by " + " (in a file a sequence): their mean
  std::string series;  ///< axis; empty: a series for each combination of the axes other than x
  PlotLog log = PlotLog::kAuto;
  void Fields(FieldVisitor& f);
  std::string Title() const { return title.empty() ? y + " against " + x : title; }
};

/// Says where a plot names an axis or metric that is not there, or a logarithm of rows. `place`: of
/// the plot, with its path in the file as message.
void CheckPlot(const PlotSpec& plot, const std::vector<Axis>& axes,
               const std::vector<std::string>& metrics, const Diagnostic& place,
               std::vector<Diagnostic>* diagnostics);

/// The labels as numbers; none where one is no number.
std::vector<double> LabelNumbers(const std::vector<std::string>& labels);

}  // namespace roundlab
