#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/report/report_data.h"
#include "experiments/report/svg_plot.h"

namespace roundlab {

/// Plots that belong together, with what has to be known to read them.
struct PlotSection {
  std::string title;
  std::string note;
  std::vector<Plot> plots;
};

/// Those that the experiment's file asks for.
PlotSection ChosenPlots(const ReportData& data);

/// Ablations; headline metrics against bits a weight and against seconds, and each seed with mean
/// and interval. Sections without a plot are left out.
std::vector<PlotSection> MetricPlots(const ReportData& data);

/// Losses, flip rates, output SNR and offsets of the points of the plan side by side.
std::vector<PlotSection> TuningPlots(const ReportData& data);

/// One section a point that was tuned: losses by unit; flip rates, output SNR and offsets by kind
/// of layer.
std::vector<PlotSection> PointPlots(const ReportData& data);

/// Losses by unit of the runs that failed while they were tuned, under their ids; of the first 12.
std::map<std::string, Plot> FailurePlots(const ReportData& data);

}  // namespace roundlab
