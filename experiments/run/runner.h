#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/run/outcome.h"

namespace roundlab {

struct RunnerOptions {
  std::string program;  ///< this program's file: each run is a process of its own
  std::string out = "results/runs";
  std::int64_t jobs = 1;      ///< runs at a time; they share the machine's cores
  bool retry_failed = false;  ///< runs that have failed before are tried again
  bool quiet = false;
  std::int64_t memory_bytes = 0;  ///< for evaluated models, all runs together; 0: what is left
  /// Only failures older than this are tried again: not those of runners that work beside this one.
  std::filesystem::file_time_type begun = std::filesystem::file_time_type::clock::now();
};

/// What --max-memory takes: "7.450580597".
std::string GibWord(std::int64_t bytes);

/// Whether a failed run is tried again: once, and not where another runner has just done so.
bool ToRetry(const RunOutcome& found, const RunnerOptions& options);

/// Does all runs of the plan that are not complete, a process each. A run that fails does not stop
/// the others; an interrupt stops all. Equal configs are done once. The answer has one entry a
/// distinct id, in plan order. Any number of runners may work in one folder, on one machine or, by
/// a file system that keeps locks, on several: each run is done by one of them, and this returns
/// when all are done.
std::vector<RunOutcome> RunAll(const Experiment& experiment, const RunnerOptions& options);

/// RunAll without writing the experiment's file.
std::vector<RunOutcome> RunPlan(const Experiment& experiment, const RunnerOptions& options);

}  // namespace roundlab
