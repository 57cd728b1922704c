#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace roundlab {

/// A sample. Where x or y can't be drawn (not finite; not positive on a logarithmic axis) a line
/// has a gap, and the plot says what it lacks. [low, high] is an interval of y, or of x where y has
/// categories; NaN: none.
struct PlotPoint {
  double x = 0;
  double y = 0;
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
  std::string label = {};  ///< shown on hover; empty: series, x and y
};

enum class PlotMark { kLine, kPoints, kLineAndPoints, kSteps };

struct PlotSeries {
  std::string name;
  PlotMark mark = PlotMark::kLine;
  std::vector<PlotPoint> points;         ///< kSteps: left edges, and the last one's right edge
  std::optional<double> shade = {};      ///< of an ordered series: 0 first ... 1 last
  std::optional<std::size_t> look = {};  ///< color and mark; without: the place in the plot
};

struct PlotAxis {
  std::string label;
  bool log = false;
  bool whole = false;                        ///< ticks at whole numbers only
  std::vector<std::string> categories = {};  ///< of y: value i is the i-th row from above
};

/// A horizontal line for comparison.
struct PlotLine {
  std::string name;
  double y;
};

struct Plot {
  std::string name;  ///< of its file, and unique in a page: letters, digits, "-"
  std::string title;
  std::string description;  ///< for those who can't see it
  PlotAxis x;
  PlotAxis y;
  std::vector<PlotSeries> series;
  std::vector<PlotLine> lines = {};
};

/// By x, ascending; what has none comes last.
void SortByX(std::vector<PlotPoint>* points);

/// Whether the values are better seen on a logarithmic axis: all positive, and the largest over 6
/// times the smallest.
bool WantsLog(const std::vector<double>& values);

/// An <svg> with title and description, axes, marks and a legend; its classes are those of
/// plot.css. `style` goes into it, for a file of its own: colors are attributes too, so that it is
/// readable without. The page's script finds scales and series in data- attributes. Every text is
/// escaped.
std::string ToSvg(const Plot& plot, const std::string& style);

}  // namespace roundlab
