#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace roundlab {

// What Roundlab asks of Slurm, through the commands that every installation has.

/// What squeue says of a task of a job array.
struct SlurmTaskState {
  std::string name;    ///< "PENDING", "RUNNING", "TIMEOUT", ...; empty: unknown
  std::string reason;  ///< why it waits or why it ended, in one word; empty: Slurm gives none

  /// Waits, runs, or will run again; an unknown state is not live.
  bool Live() const;
  /// "TIMEOUT (TimeLimit)".
  std::string Text() const;
};

/// By the task's number in its array. Ended tasks are there as long as Slurm remembers them.
using SlurmTaskStates = std::map<int, SlurmTaskState>;

/// Throws Error unless sbatch, squeue and scancel are on PATH.
void RequireSlurm();

/// The words of --slurm-options, split at spaces. Throws Error where there are none, where the
/// first is not an option, and where one would change what the engine itself sets.
std::vector<std::string> SplitSlurmOptions(const std::string& text);

/// sbatch with these words; the number of the job. Throws Error with what sbatch said.
std::string SubmitSlurmJob(const std::vector<std::string>& words);

/// The tasks of a job, none where Slurm knows no such job any more. nullopt where it does not
/// answer, with what squeue said in `problem`.
std::optional<SlurmTaskStates> AskSlurm(const std::string& job, std::string* problem);

/// The state of a task that squeue does not list any more, from Slurm's accounting; unknown where
/// there is none.
SlurmTaskState AskSlurmAccounting(const std::string& job, int task);

/// Ends the job; its tasks get SIGTERM. Throws Error with what scancel said.
void CancelSlurmJob(const std::string& job);

/// `text` as one word of a shell.
std::string ShellWord(const std::string& text);

}  // namespace roundlab
