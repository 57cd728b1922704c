#include "experiments/plan/plot_spec.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/suggest.h"
#include "core/config/enum_field.h"

namespace roundlab {
namespace {

const EnumNames<PlotLog> kPlotLogs = {{PlotLog::kAuto, "auto"},
                                      {PlotLog::kNone, "none"},
                                      {PlotLog::kX, "x"},
                                      {PlotLog::kY, "y"},
                                      {PlotLog::kBoth, "both"}};

}  // namespace

void PlotSpec::Fields(FieldVisitor& f) {
  f.String("title", &title, "above the plot; none: its metrics");
  f.String("x", &x, "axis or metric across", Presence::kRequired);
  MetricField metric(&y);
  f.Value("y", metric, "metric", Presence::kRequired);
  f.String("series", &series, "axis with a line a label; none: all axes but x");
  EnumField log_field(&log, kPlotLogs);
  f.Value("log", log_field, "logarithmic axes");
}

void CheckPlot(const PlotSpec& plot, const std::vector<Axis>& axes,
               const std::vector<std::string>& metrics, const Diagnostic& place,
               std::vector<Diagnostic>* diagnostics) {
  const auto at = [&](const char* key) { return Diagnostic{place.where, place.message + key}; };
  CheckMetric(plot.y, metrics, at(".y"), diagnostics);
  if (!plot.series.empty()) FindAxis(axes, plot.series, at(".series"), diagnostics);
  if (const Axis* axis = FindAxis(axes, plot.x)) {
    if ((plot.log == PlotLog::kX || plot.log == PlotLog::kBoth) &&
        LabelNumbers(axis->labels).empty()) {
      diagnostics->push_back({place.where, place.message + ".log: the labels of axis '" + plot.x +
                                               "' are not numbers"});
    }
    return;
  }
  std::vector<std::string> names = metrics;
  for (const Axis& candidate : axes) names.push_back(candidate.name);
  for (const std::string& metric : MetricsOf(plot.x)) {
    if (std::find(metrics.begin(), metrics.end(), metric) != metrics.end()) continue;
    diagnostics->push_back({place.where, place.message + ".x: '" + metric +
                                             "' is no axis and no metric that a run measures" +
                                             SuggestionSuffix(metric, names)});
  }
}

std::vector<double> LabelNumbers(const std::vector<std::string>& labels) {
  std::vector<double> numbers;
  for (const std::string& label : labels) {
    char* end = nullptr;
    const double number = std::strtod(label.c_str(), &end);
    if (end == label.c_str() || *end != '\0' || !std::isfinite(number)) return {};
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace roundlab
