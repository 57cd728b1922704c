#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/run/runner.h"

namespace roundlab {

struct SlurmOptions {
  std::vector<std::string> words;  ///< more options for sbatch, as they are
  std::int64_t jobs = 0;           ///< runs at a time; 0: as many as Slurm lets run
  /// The longest pause between two looks at the queue.
  std::chrono::milliseconds pause{10000};
  /// How long a shared file system may take to show the result of a task that has ended.
  std::chrono::milliseconds patience{60000};
};

/// OUT/EXPERIMENT/slurm, as an absolute path: job.sh, runs.txt (a run's id a line, for each task of
/// the array), job.txt (number of the last array), and what the tasks wrote, JOB_TASK.log.
std::string SlurmFolder(const std::string& out, const Experiment& experiment);

/// job.sh: a task of the array does the run in its line of FOLDER/runs.txt.
std::string SlurmScript(const std::string& folder, const RunnerOptions& options);

/// What a task of an array needs.
struct SlurmNeeds {
  std::int64_t threads = 1;
  bool gpu = false;  ///< `--gres=gpu:1`, which --slurm-options may say otherwise
};

/// sbatch's words for the first `runs` lines of FOLDER/runs.txt.
std::vector<std::string> SlurmWords(const std::string& folder, const std::string& name,
                                    std::size_t runs, const SlurmNeeds& needs,
                                    const SlurmOptions& slurm);

/// RunAll by Slurm: each run that is not complete is a task of a job array, claims and leaves its
/// folder as a local run does, and this waits for all. An interrupt ends the array; its runs stop
/// as they would here. Where an array of an earlier call is still there, that is waited for first.
/// A task that ends without a result is a failed run whose reason has Slurm's word for it. Throws
/// Error with what Slurm says where it takes no job.
std::vector<RunOutcome> RunAllOnSlurm(const Experiment& experiment, const RunnerOptions& options,
                                      const SlurmOptions& slurm);

/// What a task of the array does: the run in line `task` (from 0) of FOLDER/runs.txt. Waits where
/// somebody else has claimed it. Throws Error where there is no such line.
RunOutcome RunSlurmTask(const std::string& folder, std::size_t task, RunnerOptions options);

}  // namespace roundlab
