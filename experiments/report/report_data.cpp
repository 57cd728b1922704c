#include "experiments/report/report_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/base/error.h"
#include "core/metrics/hdf5_file.h"
#include "experiments/run/input_files.h"
#include "experiments/tables/mixed_inputs.h"
#include "experiments/tables/table.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

/// Sorted names of the folders in `folder`.
std::vector<std::string> Folders(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void RequireExperiment(const std::string& folder) {
  if (!fs::is_directory(folder)) throw Error(folder + ": no such folder");
  if (fs::exists(folder + "/" + kExperimentFile)) return;
  std::string message = folder + ": no folder of an experiment: it has no " + kExperimentFile +
                        ", which `roundlab run` writes into OUT/EXPERIMENT";
  for (const std::string& name : Folders(folder)) {
    if (fs::exists(folder + "/" + name + "/" + kExperimentFile)) {
      throw Error(message + "; did you mean " + folder + "/" + name + "?");
    }
  }
  throw Error(message);
}

ReportRun Look(const std::string& folder, const PlannedRun& planned, ReportData* data) {
  ReportRun run;
  try {
    run.outcome = LookAtRun(folder, planned.config);
  } catch (const Error& e) {
    run.outcome.id = planned.id;
    run.outcome.folder = folder;
    run.outcome.state = RunState::kFailed;
    run.outcome.reason = e.what();
    run.outcome.corrupt = true;
  }
  if (run.outcome.corrupt) {
    run.state = ReportState::kUnreadable;
    data->problems.push_back({folder, run.outcome.reason});
    return run;
  }
  switch (run.outcome.state) {
    case RunState::kDone:
      run.state = ReportState::kDone;
      break;
    case RunState::kFailed:
      run.state = ReportState::kFailed;
      break;
    default:
      run.state = run.outcome.begun ? ReportState::kUnfinished : ReportState::kNotRun;
  }
  return run;
}

/// What a run that failed got to, where it got that far.
void ReadUntilFailure(ReportRun* run, ReportData* data) {
  const std::string file = run->outcome.folder + "/run.h5";
  if (run->state != ReportState::kFailed || !fs::exists(file)) return;
  try {
    run->details = MeanDetails({ReadRunFile(file, IsDetail)});
  } catch (const Error& e) {
    data->problems.push_back({file, e.what()});
  }
}

/// The details of a point's runs that are done.
Details ReadDetails(const std::vector<std::size_t>& runs, ReportData* data) {
  std::vector<RunRecord> records;
  for (const std::size_t i : runs) {
    if (data->runs[i].state != ReportState::kDone) continue;
    const std::string file = data->runs[i].outcome.folder + "/run.h5";
    try {
      records.push_back(ReadRunFile(file, IsDetail));
    } catch (const Error& e) {
      data->problems.push_back({file, e.what()});
    }
  }
  return MeanDetails(records);
}

/// Folders that hold a run's files but are no run of the plan.
std::vector<std::string> OtherRuns(const std::string& folder, const ReportData& data) {
  std::set<std::string> ids;
  for (const ReportRun& run : data.runs) ids.insert(run.outcome.id);
  std::vector<std::string> others;
  for (const std::string& name : Folders(folder)) {
    const bool run = fs::exists(folder + "/" + name + "/config.yaml");
    if (run && ids.count(name) == 0) others.push_back(name);
  }
  return others;
}

/// Published figures may have gone since: the runs are shown without.
Experiment Load(const std::string& file, ReportData* data) {
  try {
    return LoadExperiment(file, {});
  } catch (const ConfigError& e) {
    const auto of_targets = [](const Diagnostic& d) { return d.message.starts_with("targets."); };
    const std::vector<Diagnostic>& all = e.diagnostics();
    if (!std::all_of(all.begin(), all.end(), of_targets)) throw;
    data->problems.push_back({file, e.what()});
    return LoadExperiment(file, {"targets=null"});
  }
}

}  // namespace

const char* StateText(ReportState state) {
  switch (state) {
    case ReportState::kDone:
      return "done";
    case ReportState::kFailed:
      return "failed";
    case ReportState::kUnreadable:
      return "unreadable";
    case ReportState::kUnfinished:
      return "unfinished";
    case ReportState::kNotRun:
      return "not run";
  }
  return "";
}

std::vector<RunOutcome> ReportData::Outcomes() const {
  std::vector<RunOutcome> outcomes;
  for (const ReportRun& run : runs) outcomes.push_back(run.outcome);
  return outcomes;
}

std::size_t ReportData::Count(ReportState state) const {
  return static_cast<std::size_t>(std::count_if(
      runs.begin(), runs.end(), [&](const ReportRun& run) { return run.state == state; }));
}

Cell ReportData::Measure(const ReportPoint& point, const std::string& metric) const {
  Cell cell;
  for (std::size_t i = 0; i < point.runs.size(); ++i) {
    const ReportRun& run = runs[point.runs[i]];
    if (run.state != ReportState::kDone) continue;
    if (run.outcome.result.Value(metric)) {
      cell.Add(static_cast<std::int64_t>(i), &run.outcome, metric);
    }
  }
  return cell;
}

std::string ReportData::LabelsBut(const ReportPoint& point,
                                  const std::set<std::string>& but) const {
  std::string text;
  for (const Axis& axis : experiment.axes) {
    if (but.count(axis.name) != 0) continue;
    text += (text.empty() ? "" : ", ") + point.labels.at(axis.name);
  }
  return text.empty() ? experiment.name : text;
}

ReportData GatherReport(const std::string& given) {
  std::string folder = given;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  RequireExperiment(folder);
  ReportData data;
  data.folder = folder;
  data.experiment = Load(folder + "/" + kExperimentFile, &data);
  std::map<std::string, std::size_t> of_id;
  std::map<std::string, std::size_t> of_label;
  for (const PlannedRun& planned : data.experiment.runs) {
    const auto [run, new_run] = of_id.emplace(planned.id, data.runs.size());
    if (new_run) data.runs.push_back(Look(folder + "/" + planned.id, planned, &data));
    const std::string label = PointLabel(data.experiment, planned);
    data.runs[run->second].places.push_back(RunTitle(data.experiment, planned));
    const auto [point, new_point] = of_label.emplace(label, data.points.size());
    if (new_point) data.points.push_back({label, planned.labels, {}, {}});
    auto& runs = data.points[point->second].runs;
    if (std::find(runs.begin(), runs.end(), run->second) == runs.end()) {
      runs.push_back(run->second);
    }
  }
  for (ReportRun& run : data.runs) ReadUntilFailure(&run, &data);
  for (ReportPoint& point : data.points) point.details = ReadDetails(point.runs, &data);
  data.others = OtherRuns(folder, data);
  const std::vector<RunOutcome> outcomes = data.Outcomes();
  data.mixed = MixedInputs(data.experiment, outcomes);
  const std::vector<std::string> changed = ChangedInputs(data.experiment, outcomes);
  data.mixed.insert(data.mixed.end(), changed.begin(), changed.end());
  return data;
}

}  // namespace roundlab
