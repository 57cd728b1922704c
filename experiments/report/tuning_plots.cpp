#include <algorithm>
#include <cmath>
#include <functional>

#include "experiments/report/plots.h"
#include "rounding/schemes/offset.h"

namespace roundlab {
namespace {

constexpr std::size_t kMostPoints = 60;  // of the plan, whose tuning is drawn
constexpr std::size_t kMostFailures = 12;
constexpr std::size_t kMostSeries = 10;  // of a plot that compares points
constexpr std::size_t kMostUnits = 40;   // of a plot of losses by unit
constexpr std::size_t kMostMarks = 60;   // of a plot; above, lines go without (a mark is 200 bytes)
constexpr std::size_t kMostSamples = 64;  // of a curve

/// Round to nearest flips nothing: there is nothing to see.
bool Tuned(const ReportPoint& point) {
  const auto flips = MeanByBlock(point.details.flip_rate);
  return !point.details.losses.empty() ||
         std::any_of(flips.begin(), flips.end(), [](const auto& flip) { return flip.second > 0; });
}

/// The first of those that left something of their tuning.
std::vector<const ReportPoint*> TunedPoints(const ReportData& data, std::size_t* all) {
  std::vector<const ReportPoint*> points;
  *all = 0;
  for (const ReportPoint& point : data.points) {
    if (!Tuned(point)) continue;
    ++*all;
    if (points.size() < kMostPoints) points.push_back(&point);
  }
  return points;
}

std::string LeftOut(std::size_t all) {
  if (all <= kMostPoints) return "";
  return " The first " + std::to_string(kMostPoints) + " of " + std::to_string(all) +
         " points of the plan are drawn; run.h5 has all.";
}

std::string UnitsWithoutLogarithm(const std::vector<const ReportPoint*>& points) {
  std::int64_t units = 0;
  for (const ReportPoint* point : points) {
    units += std::count_if(point->details.losses.begin(), point->details.losses.end(),
                           [](const UnitCurve& unit) { return !HasLogarithms(unit); });
  }
  if (units == 0) return "";
  return " Left out: " + std::to_string(units) +
         (units == 1 ? " unit with a loss that is not finite or not positive."
                     : " units with a loss that is not finite or not positive.");
}

PlotSeries CurveSeries(const std::string& name, const Curve& curve) {
  PlotSeries series = {name, PlotMark::kLine, {}};
  const Curve shorter = Downsampled(curve, kMostSamples);
  for (std::size_t i = 0; i < shorter.steps.size(); ++i) {
    series.points.push_back({shorter.steps[i], shorter.values[i]});
  }
  return series;
}

PlotSeries BlockSeries(const std::string& name, const std::map<int, double>& blocks) {
  PlotSeries series = {name, PlotMark::kLineAndPoints, {}};
  for (const auto& [block, value] : blocks) {
    series.points.push_back({static_cast<double>(block), value});
  }
  return series;
}

PlotSeries OffsetSeries(const std::string& name, const std::vector<double>& shares) {
  PlotSeries series = {name, PlotMark::kSteps, {}};
  if (shares.empty()) return series;
  const double width = kOffsetHistogramTop / static_cast<double>(shares.size());
  for (std::size_t i = 0; i <= shares.size(); ++i) {
    series.points.push_back(
        {width * static_cast<double>(i), shares[std::min(i, shares.size() - 1)]});
  }
  return series;
}

/// Drops empty series and too many marks; a positive loss is drawn on a logarithmic axis.
/// False where there is nothing to draw.
bool Complete(Plot* plot) {
  std::erase_if(plot->series, [](const PlotSeries& series) { return series.points.empty(); });
  std::vector<double> ys;
  for (const PlotSeries& series : plot->series) {
    for (const PlotPoint& p : series.points) ys.push_back(p.y);
  }
  for (PlotSeries& series : plot->series) {
    const bool bare = ys.size() > kMostMarks && series.points.size() > 1;
    if (bare && series.mark == PlotMark::kLineAndPoints) series.mark = PlotMark::kLine;
  }
  const bool positive =
      std::all_of(ys.begin(), ys.end(), [](double y) { return y > 0 || !std::isfinite(y); });
  plot->y.log = plot->y.label.rfind("loss", 0) == 0 && positive;
  return !plot->series.empty();
}

/// Points side by side: by their label on the axis of the first table's rows (else the last one),
/// a plot for what they share on the others.
struct Member {
  std::string label;
  std::size_t look;  ///< place of the label on its axis
  const ReportPoint* point;
};
struct Group {
  std::string title;
  std::vector<Member> members;
};

std::vector<Group> GroupsOf(const ReportData& data, const std::vector<const ReportPoint*>& points) {
  const Experiment& experiment = data.experiment;
  std::string axis = experiment.axes.empty() ? "" : experiment.axes.back().name;
  if (!experiment.tables.empty()) axis = experiment.tables.front().rows;
  std::map<std::string, std::size_t> looks;
  for (const Axis& a : experiment.axes) {
    for (const std::string& label : a.labels) {
      if (a.name == axis) looks.emplace(label, looks.size());
    }
  }
  std::vector<Group> groups;
  for (const ReportPoint* point : points) {
    std::string title;
    for (const Axis& other : experiment.axes) {
      if (other.name == axis) continue;
      title += (title.empty() ? "" : ", ") + other.name + " " + point->labels.at(other.name);
    }
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.title == title && g.members.size() < kMostSeries;
    });
    if (group == groups.end()) group = groups.insert(groups.end(), Group{title, {}});
    const std::string label = axis.empty() ? point->label : point->labels.at(axis);
    group->members.push_back({label, looks.emplace(label, looks.size()).first->second, point});
  }
  return groups;
}

using MakeSeries = std::function<PlotSeries(const std::string&, const Details&)>;

PlotSection Compared(const std::vector<Group>& groups, PlotSection section, const Plot& form,
                     const MakeSeries& series) {
  for (const Group& group : groups) {
    Plot plot = form;
    plot.name += "-" + std::to_string(section.plots.size() + 1);
    if (!group.title.empty()) plot.title += ", " + group.title;
    for (const Member& member : group.members) {
      plot.series.push_back(series(member.label, member.point->details));
      plot.series.back().look = member.look;
    }
    if (Complete(&plot)) section.plots.push_back(std::move(plot));
  }
  return section;
}

Plot Form(const char* name, const std::string& title, const char* description, const char* x,
          const char* y) {
  Plot plot;
  plot.name = name;
  plot.title = title;
  plot.description = description;
  plot.x.label = x;
  plot.x.whole = plot.x.label != "|V|";
  plot.y.label = y;
  return plot;
}

Plot LossesByUnit(const std::vector<UnitCurve>& losses) {
  Plot plot =
      Form("loss", "loss by unit", "One curve a unit, from the first to the last.", "step", "loss");
  const std::size_t count = losses.size();
  const std::size_t drawn = std::min(count, kMostUnits);
  for (std::size_t i = 0; i < drawn; ++i) {
    const UnitCurve& unit = losses[i * count / drawn];
    plot.series.push_back(CurveSeries(unit.unit, unit.loss));
    plot.series.back().shade =
        static_cast<double>(i) / static_cast<double>(std::max<std::size_t>(drawn - 1, 1));
  }
  return plot;
}

Plot ByKind(Plot plot, const LayerValues& values) {
  for (const auto& [kind, blocks] : values) plot.series.push_back(BlockSeries(kind, blocks));
  return plot;
}

Plot OffsetsByKind(const Details& details) {
  Plot plot = Form("offsets", "|V| by kind of layer", "Share of the weights in bins of |V|.", "|V|",
                   "share of the weights");
  for (const auto& [kind, counts] : details.offsets) {
    plot.series.push_back(OffsetSeries(kind, Shares(counts)));
  }
  return plot;
}

}  // namespace

std::vector<PlotSection> TuningPlots(const ReportData& data) {
  std::size_t all = 0;
  const auto points = TunedPoints(data, &all);
  const auto groups = GroupsOf(data, points);
  const std::string left_out = LeftOut(all);
  std::vector<PlotSection> sections;
  sections.push_back(Compared(
      groups,
      {"Losses",
       "Loss of a minibatch over that of the unit's first step: geometric mean over the units, "
       "mean over seeds and over neighbouring steps." +
           left_out + UnitsWithoutLogarithm(points),
       {}},
      Form("losses", "relative loss", "One curve a point of the plan.", "step",
           "loss / loss of step 0"),
      [](const std::string& name, const Details& details) {
        return CurveSeries(name, RelativeLoss(details.losses));
      }));
  sections.push_back(Compared(
      groups,
      {"Flip rates",
       "Share of the codes that differ from round to nearest, mean over a block's layers." +
           left_out,
       {}},
      Form("flips", "flip rate", "One curve a point of the plan.", "block", "flip rate"),
      [](const std::string& name, const Details& details) {
        return BlockSeries(name, MeanByBlock(details.flip_rate));
      }));
  sections.push_back(Compared(
      groups,
      {"Output SNR",
       "Of the layers' outputs on calibration data, behind repairs where there are any, mean over "
       "a block's layers." +
           left_out,
       {}},
      Form("snr", "output SNR", "One curve a point of the plan.", "block", "output SNR (dB)"),
      [](const std::string& name, const Details& details) {
        return BlockSeries(name, MeanByBlock(details.output_snr_db));
      }));
  sections.push_back(Compared(
      groups,
      {"Offsets",
       "How far tuning has moved weights before rounding, |V| in steps of the grid." + left_out,
       {}},
      Form("moved", "|V|", "Share of the weights in bins of |V|.", "|V|", "share of the weights"),
      [](const std::string& name, const Details& details) {
        return OffsetSeries(name, AllOffsets(details));
      }));
  std::erase_if(sections, [](const PlotSection& section) { return section.plots.empty(); });
  return sections;
}

std::vector<PlotSection> PointPlots(const ReportData& data) {
  std::size_t all = 0;
  std::vector<PlotSection> sections;
  for (const ReportPoint* point : TunedPoints(data, &all)) {
    PlotSection section = {point->label, "", {}};
    const Details& details = point->details;
    const std::string prefix = "point-" + std::to_string(sections.size() + 1) + "-";
    for (Plot plot : {LossesByUnit(details.losses),
                      ByKind(Form("flips", "flip rate by layer", "One curve a kind of layer.",
                                  "block", "flip rate"),
                             details.flip_rate),
                      ByKind(Form("snr", "output SNR by layer", "One curve a kind of layer.",
                                  "block", "output SNR (dB)"),
                             details.output_snr_db),
                      OffsetsByKind(details)}) {
      plot.name = prefix + plot.name;
      plot.title += ", " + point->label;
      if (Complete(&plot)) section.plots.push_back(std::move(plot));
    }
    sections.push_back(std::move(section));
  }
  return sections;
}

std::map<std::string, Plot> FailurePlots(const ReportData& data) {
  std::map<std::string, Plot> plots;
  for (const ReportRun& run : data.runs) {
    if (plots.size() == kMostFailures) break;
    Plot plot = LossesByUnit(run.details.losses);
    plot.name = "failed-" + run.outcome.id;
    plot.title += ", " + run.places.front();
    if (Complete(&plot)) plots.emplace(run.outcome.id, std::move(plot));
  }
  return plots;
}

}  // namespace roundlab
