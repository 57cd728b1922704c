#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/report/details.h"
#include "experiments/run/outcome.h"
#include "experiments/tables/cell.h"

namespace roundlab {

enum class ReportState { kDone, kFailed, kUnreadable, kUnfinished, kNotRun };

/// "done", "failed", "unreadable", "unfinished", "not run".
const char* StateText(ReportState state);

/// A distinct run of the plan.
struct ReportRun {
  RunOutcome outcome;  ///< of one that can't be read: failed, with the reason
  ReportState state = ReportState::kNotRun;
  std::vector<std::string> places;  ///< "W4G128, signround, seed 0": all that share it
  Details details;                  ///< of one that failed: up to there
};

/// A point of the plan, its seeds together.
struct ReportPoint {
  std::string label;                          ///< "W4G128, signround"
  std::map<std::string, std::string> labels;  ///< axis -> label
  std::vector<std::size_t> runs;              ///< distinct ones, places in ReportData::runs
  Details details;                            ///< of those that are done
};

/// A file or folder that is not shown as it should be.
struct ReportProblem {
  std::string file;
  std::string reason;
};

/// All that a report shows of a folder of runs.
struct ReportData {
  std::string folder;
  Experiment experiment;
  std::vector<ReportRun> runs;      ///< in the plan's order
  std::vector<ReportPoint> points;  ///< in the plan's order
  std::vector<ReportProblem> problems;
  std::vector<std::string> others;  ///< folders that hold a run which is not of the plan
  std::vector<std::string> mixed;   ///< MixedInputs

  std::vector<RunOutcome> Outcomes() const;
  std::size_t Count(ReportState state) const;
  /// A metric, or a mean of metrics ("a + b"), of those runs of a point that are done.
  Cell Measure(const ReportPoint& point, const std::string& metric) const;
  /// Labels of a point without those of the axes in `but`, joined.
  std::string LabelsBut(const ReportPoint& point, const std::set<std::string>& but) const;
};

/// Reads OUT/EXPERIMENT; nothing there is changed. A run.json, config.yaml or run.h5 that can't be
/// read becomes a problem, and the report goes on without it. Throws Error where `folder` is none
/// of an experiment.
ReportData GatherReport(const std::string& folder);

}  // namespace roundlab
