#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "core/base/statistics.h"
#include "experiments/report/plots.h"
#include "experiments/tables/ablation.h"
#include "experiments/tables/cell.h"
#include "experiments/tables/table.h"

namespace roundlab {
namespace {

constexpr const char* kBits = "model/bits_per_weight";
constexpr const char* kSeconds = "cost/seconds";
constexpr std::size_t kMostRows = 60;  // of a plot of seeds

/// Axes along which bits a weight change while all other labels stay.
std::set<std::string> AxesOfBits(const ReportData& data) {
  std::set<std::string> found;
  for (const Axis& axis : data.experiment.axes) {
    std::map<std::string, double> bits;
    for (const ReportPoint& point : data.points) {
      const double value = data.Measure(point, kBits).MeanValue();
      if (std::isnan(value)) continue;
      const auto [other, added] = bits.emplace(data.LabelsBut(point, {axis.name}), value);
      if (!added && std::fabs(other->second - value) > 1e-9) found.insert(axis.name);
    }
  }
  return found;
}

/// A plot of a metric against another, one series a label.
class Versus {
 public:
  Versus(const ReportData& data, const std::string& metric, const std::string& against,
         const std::set<std::string>& bit_axes)
      : metric_(metric), against_(against) {
    for (const ReportPoint& point : data.points) {
      looks_.emplace(data.LabelsBut(point, bit_axes), looks_.size());
      Add(point, data.LabelsBut(point, bit_axes), data.Measure(point, metric),
          data.Measure(point, against));
    }
  }
  /// Whether there is something to see: several places, and not the same value at all of them.
  bool Worthwhile() const { return places_.size() > 1 && heights_.size() > 1; }

  Plot Make(const std::string& name, const std::string& unit, PlotMark mark) const {
    Plot plot;
    plot.name = name;
    plot.title = metric_ + " against " + unit;
    plot.description = "Means over seeds with 95 % intervals, one series for each of: ";
    std::vector<double> xs;
    std::vector<double> ys;
    for (const std::string& label : order_) {
      auto points = series_.at(label);
      SortByX(&points);
      for (const PlotPoint& p : points) {
        xs.push_back(p.x);
        ys.push_back(p.y);
      }
      plot.description += (plot.series.empty() ? "" : "; ") + label;
      plot.series.push_back({label, mark, std::move(points), {}, looks_.at(label)});
    }
    for (const auto& [line_name, y] : lines_) {
      plot.lines.push_back({line_name, y});
      ys.push_back(y);
    }
    plot.x.label = unit;
    plot.x.log = WantsLog(xs);
    plot.y.label = metric_;
    plot.y.log = WantsLog(ys);
    return plot;
  }

 private:
  void Add(const ReportPoint& point, const std::string& label, const Cell& y, const Cell& x) {
    if (y.empty()) return;
    if (x.empty()) {
      if (against_ == kBits) lines_[label] = y.MeanValue();  // a model as it is
      return;
    }
    PlotPoint p;
    p.x = x.MeanValue();
    p.y = y.MeanValue();
    p.low = y.MeanValue() - y.HalfWidth();
    p.high = y.MeanValue() + y.HalfWidth();
    p.label = point.label + ": " + metric_ + " " + y.Text() + ", " + against_ + " " +
              FormatNumber(x.MeanValue());
    if (series_.count(label) == 0) order_.push_back(label);
    series_[label].push_back(p);
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) return;
    places_.insert(p.x);
    heights_.insert(p.y);
  }

  std::string metric_;
  std::string against_;
  std::vector<std::string> order_;
  std::map<std::string, std::vector<PlotPoint>> series_;
  std::map<std::string, double> lines_;
  std::set<double> places_;
  std::set<double> heights_;
  std::map<std::string, std::size_t> looks_;  // the same in all plots
};

/// Each seed of some points, one row a point.
Plot SeedPlot(const ReportData& data, const std::string& metric,
              const std::vector<const ReportPoint*>& points) {
  Plot plot;
  plot.title = metric + " by seed";
  plot.description =
      "One row for each point of the plan: every seed, their mean and its 95 % "
      "interval.";
  constexpr double kApart = 0.2;  // of a row, so that seeds don't hide their mean
  PlotSeries seeds = {"one seed", PlotMark::kPoints, {}};
  PlotSeries means = {"mean and its 95 % interval", PlotMark::kPoints, {}};
  std::vector<double> values;
  for (const ReportPoint* point : points) {
    const auto row = static_cast<double>(plot.y.categories.size());
    plot.y.categories.push_back(point->label);
    const Cell measured = data.Measure(*point, metric);
    for (const double value : measured.Values()) {
      PlotPoint seed;
      seed.x = value;
      seed.y = row - kApart;
      seed.label = point->label + ", one seed: " + FormatNumber(value);
      seeds.points.push_back(seed);
      values.push_back(value);
    }
    PlotPoint mean;
    mean.x = measured.MeanValue();
    mean.y = row + kApart;
    mean.low = measured.MeanValue() - measured.HalfWidth();
    mean.high = measured.MeanValue() + measured.HalfWidth();
    mean.label = point->label + ", mean: " + measured.Text();
    means.points.push_back(mean);
  }
  plot.x.label = metric;
  plot.x.log = WantsLog(values);
  plot.series = {std::move(seeds), std::move(means)};
  return plot;
}

/// None where no point has two seeds, or all values are equal.
std::vector<Plot> SeedPlots(const ReportData& data, const std::string& metric) {
  std::vector<const ReportPoint*> points;
  bool several = false;
  std::set<double> values;
  for (const ReportPoint& point : data.points) {
    const std::vector<double> of_point = data.Measure(point, metric).Values();
    if (!of_point.empty()) points.push_back(&point);
    std::copy_if(of_point.begin(), of_point.end(), std::inserter(values, values.end()),
                 [](double value) { return std::isfinite(value); });
    several = several || of_point.size() > 1;
  }
  several = several && values.size() > 1;
  std::vector<Plot> plots;
  for (std::size_t first = 0; several && first < points.size(); first += kMostRows) {
    const std::size_t end = std::min(points.size(), first + kMostRows);
    plots.push_back(SeedPlot(data, metric,
                             {points.begin() + static_cast<std::ptrdiff_t>(first),
                              points.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  return plots;
}

/// What switching a component off costs, the most damaging first.
PlotSection AblationPlots(const ReportData& data) {
  PlotSection section = {"Ablations",
                         "How much worse without it, seed by seed, with the 95 % interval of the "
                         "paired t test.",
                         {}};
  for (const AblationRanking& ranking : RankAblations(data.experiment, data.Outcomes())) {
    const std::string& value = data.experiment.ablation->value;
    Plot plot;
    plot.name = "ablation-" + std::to_string(section.plots.size() + 1);
    plot.title = "damage to " + value + (ranking.setting.empty() ? "" : ", " + ranking.setting);
    plot.description = "One row for each component that is switched off.";
    plot.x.label = "damage to " + value;
    plot.y.categories = {data.experiment.ablation->full};
    PlotSeries series = {"damage", PlotMark::kPoints, {{0, 0}}};
    series.points[0].label = data.experiment.ablation->full + ": 0";
    for (const AblationDamage& damage : ranking.damages) {
      const auto row = static_cast<double>(plot.y.categories.size());
      std::string label = damage.label + ": " + FormatNumber(damage.size);
      if (!std::isnan(damage.low)) {
        label += ", " + FormatNumber(damage.low) + " to " + FormatNumber(damage.high);
      }
      series.points.push_back({damage.size, row, damage.low, damage.high, label});
      plot.y.categories.push_back(damage.label);
    }
    plot.series.push_back(std::move(series));
    section.plots.push_back(std::move(plot));
  }
  return section;
}

}  // namespace

std::vector<PlotSection> MetricPlots(const ReportData& data) {
  PlotSection bits = {"Against bits a weight",
                      "Bits count scales and zero points too. Dashed: models as they are.",
                      {}};
  PlotSection cost = {
      "Against cost", "Seconds of a whole run: loading, rounding and measuring.", {}};
  PlotSection seeds = {"Seeds", "Intervals are of Student's t distribution over the seeds.", {}};
  const std::set<std::string> bit_axes = AxesOfBits(data);
  const auto name = [](const char* kind, const PlotSection& section) {
    return kind + std::to_string(section.plots.size() + 1);
  };
  for (const std::string& metric : HeadlineMetrics(data.Outcomes())) {
    const Versus against_bits(data, metric, kBits, bit_axes);
    if (against_bits.Worthwhile()) {
      bits.plots.push_back(
          against_bits.Make(name("bits-", bits), "bits a weight", PlotMark::kLineAndPoints));
    }
    const Versus against_cost(data, metric, kSeconds, bit_axes);
    if (against_cost.Worthwhile()) {
      cost.plots.push_back(against_cost.Make(name("cost-", cost), "seconds", PlotMark::kPoints));
    }
    for (Plot& plot : SeedPlots(data, metric)) {
      plot.name = name("seeds-", seeds);
      seeds.plots.push_back(std::move(plot));
    }
  }
  std::vector<PlotSection> sections = {AblationPlots(data), std::move(bits), std::move(cost),
                                       std::move(seeds)};
  std::erase_if(sections, [](const PlotSection& section) { return section.plots.empty(); });
  return sections;
}

}  // namespace roundlab
