#pragma once

#include <string>
#include <vector>

#include "experiments/experiment.h"
#include "experiments/run_file.h"

namespace roundlab {

struct RunnerOptions {
  std::string program;  ///< this program's file: each run is a process of its own
  std::string out = "results/runs";
  bool quiet = false;
};

enum class RunState { kDone, kFailed, kInterrupted, kBusy, kNotRun };

struct RunOutcome {
  std::string id;
  std::string folder;
  RunState state = RunState::kNotRun;
  bool cached = false;     ///< was complete before
  RunResult result;        ///< where done
  std::string reason;      ///< where failed
  bool bad_input = false;  ///< where failed: for what it was given, not by itself
};

/// Folder of a run: OUT/EXPERIMENT/ID.
std::string RunFolder(const std::string& out, const Experiment& experiment, const std::string& id);

/// OUT/EXPERIMENT/experiment.yaml: what the runs beside it belong to (Experiment::resolved).
std::string ExperimentFile(const std::string& out, const Experiment& experiment);

/// What is on disk of a run. Throws Error where the folder holds another config or a broken
/// run.json.
RunOutcome LookAtRun(const std::string& folder, const RunConfig& config);

/// Does all runs of the plan that are not complete, one process each, one after the other; failed
/// ones are tried again. A run that fails does not stop the others; an interrupt stops all. Equal
/// configs are done once. The answer has one entry a distinct id, in plan order. A run that another
/// runner works on is waited for.
std::vector<RunOutcome> RunAll(const Experiment& experiment, const RunnerOptions& options);

}  // namespace roundlab
