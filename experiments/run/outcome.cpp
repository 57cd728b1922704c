#include "experiments/run/outcome.h"

#include <filesystem>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/metrics/hdf5_file.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

}  // namespace

const char* StateName(const RunOutcome& outcome) {
  switch (outcome.state) {
    case RunState::kDone:
      return "complete";
    case RunState::kFailed:
      return outcome.corrupt ? "unreadable" : "failed";
    case RunState::kInterrupted:
      return "interrupted";
    default:
      return outcome.begun ? "unfinished" : "not run";
  }
}

std::string RunFolder(const std::string& out, const Experiment& experiment, const std::string& id) {
  return out + "/" + experiment.name + "/" + id;
}

std::string ExperimentFile(const std::string& out, const Experiment& experiment) {
  return out + "/" + experiment.name + "/" + kExperimentFile;
}

std::vector<const PlannedRun*> DistinctRuns(const Experiment& experiment) {
  std::set<std::string> seen;
  std::vector<const PlannedRun*> distinct;
  for (const PlannedRun& run : experiment.runs) {
    if (seen.insert(run.id).second) distinct.push_back(&run);
  }
  return distinct;
}

void WriteExperimentFile(const std::string& out, const Experiment& experiment) {
  const std::string file = ExperimentFile(out, experiment);
  if (fs::exists(file) && ReadFile(file) == experiment.resolved) return;
  MakeFolder(out + "/" + experiment.name);
  WriteFileAtomically(file, experiment.resolved);
}

RunOutcome LookAtRun(const std::string& folder, const RunConfig& config) {
  RunOutcome outcome;
  outcome.id = config.Id();
  outcome.folder = folder;
  const std::string kept = folder + "/config.yaml";
  if (fs::exists(kept) && ReadFile(kept) != config.Canonical()) {
    throw Error(kept + ": this folder holds another config than run " + outcome.id +
                "; remove the folder or choose another with --out");
  }
  const std::string file = folder + "/run.json";
  outcome.begun = fs::exists(folder + "/log.txt");
  if (!fs::exists(file)) return outcome;
  outcome.cached = true;
  outcome.state = RunState::kFailed;
  try {
    outcome.result = ReadRunResult(file);
    if (outcome.result.id != outcome.id) {
      throw Error(file + ": of run '" + outcome.result.id + "', not of " + outcome.id);
    }
  } catch (const Error& e) {
    outcome.result = {};
    outcome.reason = std::string(e.what()) + "; remove " + folder + " to do the run again";
    outcome.corrupt = true;
    return outcome;
  }
  outcome.reason = outcome.result.reason;
  if (outcome.result.status == "complete") outcome.state = RunState::kDone;
  return outcome;
}

std::vector<RunOutcome> LookAtAll(const Experiment& experiment, const std::string& out) {
  std::vector<RunOutcome> outcomes;
  for (const PlannedRun* run : DistinctRuns(experiment)) {
    outcomes.push_back(LookAtRun(RunFolder(out, experiment, run->id), run->config));
  }
  return outcomes;
}

OutcomeIndex ById(const std::vector<RunOutcome>& outcomes) {
  OutcomeIndex index;
  for (const RunOutcome& outcome : outcomes) index.emplace(outcome.id, &outcome);
  return index;
}

const RunOutcome* FindOutcome(const OutcomeIndex& index, const std::string& id) {
  const auto found = index.find(id);
  return found == index.end() ? nullptr : found->second;
}

void MarkUnfinished(const std::string& folder, const std::string& status) {
  const std::string file = folder + "/run.h5";
  if (!fs::exists(file)) return;
  try {
    MarkRunFile(file, status);
  } catch (const Error& e) {
    Log(folder + "/log.txt", true).Write(e.what());
  }
}

void WriteFailure(const PlannedRun& run, RunOutcome* outcome) {
  RunResult failed;
  failed.id = run.id;
  failed.status = "failed";
  failed.reason = outcome->reason;
  failed.config = run.config.Canonical();
  try {
    WriteRunResult(outcome->folder + "/run.json", failed);
    MarkUnfinished(outcome->folder, "failed");
  } catch (const Error& e) {
    outcome->reason += "; " + std::string(e.what());
  }
}

}  // namespace roundlab
