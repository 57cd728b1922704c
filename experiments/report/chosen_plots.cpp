#include <algorithm>
#include <optional>

#include "experiments/report/plots.h"

namespace roundlab {
namespace {

/// Places of an axis's labels: their numbers, or their rows.
class AxisPlaces {
 public:
  explicit AxisPlaces(const Axis& axis)
      : labels_(axis.labels), numbers_(LabelNumbers(axis.labels)) {}

  bool AreNumbers() const { return !numbers_.empty(); }
  const std::vector<std::string>& labels() const { return labels_; }
  double operator()(const std::string& label) const {
    const auto place = std::find(labels_.begin(), labels_.end(), label) - labels_.begin();
    return AreNumbers() ? numbers_[static_cast<std::size_t>(place)] : static_cast<double>(place);
  }

 private:
  const std::vector<std::string>& labels_;
  std::vector<double> numbers_;
};

class ChosenPlot {
 public:
  ChosenPlot(const ReportData& data, const PlotSpec& spec) : data_(data), spec_(spec) {
    for (const Axis& axis : data.experiment.axes) {
      if (axis.name == spec.x) places_.emplace(axis);
    }
  }

  Plot Make() {
    plot_.title = spec_.Title();
    plot_.description = "Means over seeds with their 95 % intervals.";
    for (const ReportPoint& point : data_.points) Add(point);
    plot_.x.label = spec_.x;
    plot_.x.log = Log(PlotLog::kX, xs_);
    plot_.y.label = spec_.y;
    plot_.y.log = Log(PlotLog::kY, ys_);
    for (PlotSeries& series : plot_.series) SortByX(&series.points);
    if (Rows()) {
      std::swap(plot_.x, plot_.y);
      plot_.y.label.clear();
      plot_.y.categories = places_->labels();
    }
    return std::move(plot_);
  }

 private:
  bool Rows() const { return places_ && !places_->AreNumbers(); }

  bool Log(PlotLog axis, const std::vector<double>& values) const {
    if (spec_.log == PlotLog::kAuto) return WantsLog(values);
    return spec_.log == axis || spec_.log == PlotLog::kBoth;
  }

  void Add(const ReportPoint& point) {
    const Cell y = data_.Measure(point, spec_.y);
    const Cell across = places_ ? Cell() : data_.Measure(point, spec_.x);
    if (y.empty() || (!places_ && across.empty())) return;  // not measured
    const double x = places_ ? (*places_)(point.labels.at(spec_.x)) : across.MeanValue();
    PlotPoint p;
    p.x = Rows() ? y.MeanValue() : x;
    p.y = Rows() ? x : y.MeanValue();
    p.low = y.MeanValue() - y.HalfWidth();
    p.high = y.MeanValue() + y.HalfWidth();
    p.label = point.label + ": " + spec_.y + " " + y.Text();
    SeriesOf(point)->points.push_back(p);
    xs_.push_back(x);
    ys_.push_back(y.MeanValue());
  }

  PlotSeries* SeriesOf(const ReportPoint& point) {
    const std::string name =
        spec_.series.empty() ? data_.LabelsBut(point, {spec_.x}) : point.labels.at(spec_.series);
    for (PlotSeries& series : plot_.series) {
      if (series.name == name) return &series;
    }
    const PlotMark mark =
        places_ && places_->AreNumbers() ? PlotMark::kLineAndPoints : PlotMark::kPoints;
    plot_.series.push_back({name, mark, {}});
    return &plot_.series.back();
  }

  const ReportData& data_;
  const PlotSpec& spec_;
  std::optional<AxisPlaces> places_;  // none: x is a metric
  Plot plot_;
  std::vector<double> xs_;
  std::vector<double> ys_;
};

}  // namespace

PlotSection ChosenPlots(const ReportData& data) {
  PlotSection section = {
      "Plots of this experiment", "Means over seeds with their 95 % intervals.", {}};
  for (const PlotSpec& spec : data.experiment.plots) {
    section.plots.push_back(ChosenPlot(data, spec).Make());
    section.plots.back().name = "chosen-" + std::to_string(section.plots.size());
  }
  return section;
}

}  // namespace roundlab
