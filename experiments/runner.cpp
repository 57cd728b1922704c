#include "experiments/runner.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/interrupt.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace roundlab {
namespace {

/// A claim on a run's folder; the kernel lets go of it when the process ends, however that happens.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder) {
    const std::string file = folder + "/lock";
    // Inherited by the run's process on purpose: where only the runner was killed, the claim lasts
    // until that process has ended too.
    file_ = ::open(file.c_str(), O_RDWR | O_CREAT, 0644);  // NOLINT(android-cloexec-open)
    if (file_ < 0) throw Error(file + ": cannot open: " + std::strerror(errno));
    while (::flock(file_, LOCK_EX) != 0) {
      CheckInterrupt();
      if (errno != EINTR) throw Error(file + ": cannot lock: " + std::strerror(errno));
    }
  }
  ~FolderLock() { ::close(file_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

int Spawn(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failure =
      posix_spawn(&child, words.front().c_str(), nullptr, nullptr, arguments.data(), environ);
  if (failure != 0) throw Error(words.front() + ": cannot start: " + std::strerror(failure));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    // Ctrl-C reaches the child too; it stops at a place that can be continued.
    if (errno != EINTR) throw Error("waitpid: " + std::string(std::strerror(errno)));
  }
  return status;
}

std::string LastError(const std::string& folder, int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return "killed by signal " + std::to_string(signal) + " (" + strsignal(signal) + ")" +
           (signal == SIGKILL ? "; out of memory?" : "");
  }
  std::error_code none;
  const std::string file = folder + "/error.txt";
  if (std::filesystem::exists(file, none)) return ReadFile(file);
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

RunOutcome RunOne(const PlannedRun& run, const std::string& folder, const RunnerOptions& options) {
  MakeFolder(folder);
  const FolderLock lock(folder);
  RunOutcome outcome = LookAtRun(folder, run.config);
  if (outcome.state == RunState::kDone) return outcome;
  WriteFileAtomically(folder + "/config.yaml", run.config.Canonical());
  std::filesystem::remove(folder + "/error.txt");
  std::vector<std::string> words = {options.program, "execute", folder};
  if (options.quiet) words.emplace_back("--quiet");
  const int status = Spawn(words);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    outcome = LookAtRun(folder, run.config);
    outcome.cached = false;
    return outcome;
  }
  outcome.state =
      WIFEXITED(status) && WEXITSTATUS(status) == 130 ? RunState::kInterrupted : RunState::kFailed;
  outcome.reason = LastError(folder, status);
  outcome.bad_input = WIFEXITED(status) && WEXITSTATUS(status) == 2;
  if (outcome.state == RunState::kInterrupted) return outcome;
  RunResult failed;
  failed.id = run.id;
  failed.status = "failed";
  failed.reason = outcome.reason;
  failed.config = run.config.Canonical();
  try {
    WriteRunResult(folder + "/run.json", failed);
  } catch (const Error& e) {
    outcome.reason += "; " + std::string(e.what());
  }
  return outcome;
}

}  // namespace

std::string RunFolder(const std::string& out, const Experiment& experiment, const std::string& id) {
  return out + "/" + experiment.name + "/" + id;
}

std::string ExperimentFile(const std::string& out, const Experiment& experiment) {
  return out + "/" + experiment.name + "/experiment.yaml";
}

RunOutcome LookAtRun(const std::string& folder, const RunConfig& config) {
  RunOutcome outcome;
  outcome.id = config.Id();
  outcome.folder = folder;
  const std::string kept = folder + "/config.yaml";
  if (std::filesystem::exists(kept) && ReadFile(kept) != config.Canonical()) {
    throw Error(kept + ": this folder holds another config than run " + outcome.id +
                "; remove the folder or choose another with --out");
  }
  const std::string file = folder + "/run.json";
  if (!std::filesystem::exists(file)) return outcome;
  outcome.result = ReadRunResult(file);
  outcome.reason = outcome.result.reason;
  outcome.state = outcome.result.status == "complete" ? RunState::kDone : RunState::kFailed;
  outcome.cached = outcome.state == RunState::kDone;
  return outcome;
}

std::vector<RunOutcome> RunAll(const Experiment& experiment, const RunnerOptions& options) {
  MakeFolder(options.out + "/" + experiment.name);
  WriteFileAtomically(ExperimentFile(options.out, experiment), experiment.resolved);
  std::vector<RunOutcome> outcomes;
  std::set<std::string> done;
  bool stopped = false;
  for (const PlannedRun& run : experiment.runs) {
    if (!done.insert(run.id).second) continue;
    const std::string folder = RunFolder(options.out, experiment, run.id);
    if (stopped) {
      outcomes.push_back(LookAtRun(folder, run.config));
      continue;
    }
    outcomes.push_back(RunOne(run, folder, options));
    stopped = outcomes.back().state == RunState::kInterrupted;
    try {
      CheckInterrupt();
    } catch (const Interrupted&) {
      stopped = true;
    }
  }
  return outcomes;
}

}  // namespace roundlab
