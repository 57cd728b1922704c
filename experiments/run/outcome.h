#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/run/run_file.h"

namespace roundlab {

enum class RunState { kDone, kFailed, kInterrupted, kNotRun };

struct RunOutcome {
  std::string id;
  std::string folder;
  RunState state = RunState::kNotRun;
  bool cached = false;     ///< was complete, or had failed, before
  bool begun = false;      ///< where not run: it runs elsewhere, or was stopped and can go on
  RunResult result;        ///< where done
  std::string reason;      ///< where failed
  bool bad_input = false;  ///< where failed: for what it was given, not by itself
  bool corrupt = false;    ///< where failed: its run.json can't be read, and is left as it is
};

/// "complete", "failed", "interrupted", "unfinished" (not run, but begun) or "not run".
const char* StateName(const RunOutcome& outcome);

/// Folder of a run: OUT/EXPERIMENT/ID.
std::string RunFolder(const std::string& out, const Experiment& experiment, const std::string& id);

constexpr const char* kExperimentFile = "experiment.yaml";
/// OUT/EXPERIMENT/experiment.yaml: what the runs beside it belong to (Experiment::resolved).
std::string ExperimentFile(const std::string& out, const Experiment& experiment);
void WriteExperimentFile(const std::string& out, const Experiment& experiment);

/// The runs of the plan, one a distinct id, in plan order.
std::vector<const PlannedRun*> DistinctRuns(const Experiment& experiment);

/// What is on disk of a run. Throws Error where the folder holds another config.
RunOutcome LookAtRun(const std::string& folder, const RunConfig& config);

/// That of all runs of the plan, one entry a distinct id, in plan order.
std::vector<RunOutcome> LookAtAll(const Experiment& experiment, const std::string& out);

/// Outcomes by run id.
using OutcomeIndex = std::map<std::string, const RunOutcome*>;
OutcomeIndex ById(const std::vector<RunOutcome>& outcomes);
/// Null where there is none of that id.
const RunOutcome* FindOutcome(const OutcomeIndex& index, const std::string& id);

/// Marks run.h5 of a run that ended without a result, if there is one, as `status`; where that
/// can't be done, log.txt tells. To be called by who holds the claim on the folder.
void MarkUnfinished(const std::string& folder, const std::string& status);

/// Writes run.json of a run that ended without a result, with `outcome`'s reason, and marks run.h5;
/// where run.json can't be written, this is added to the reason. To be called by who holds the
/// claim on the folder.
void WriteFailure(const PlannedRun& run, RunOutcome* outcome);

}  // namespace roundlab
