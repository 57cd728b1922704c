#include "experiments/run/runner.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/folder_claim.h"
#include "core/base/interrupt.h"
#include "core/metrics/memory.h"
#include "experiments/run/run_process.h"
#include "experiments/run/runner_display.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

/// A run being done, its folder claimed.
struct ActiveRun {
  std::size_t place;  ///< in the plan
  FolderClaim claim;
  RunProcess process;
};

class LocalRunner {
 public:
  LocalRunner(const Experiment& experiment, const RunnerOptions& options)
      : experiment_(experiment),
        options_(options),
        display_(experiment, options.quiet, options.jobs > 1),
        plan_(DistinctRuns(experiment)) {
    outcomes_.resize(plan_.size());
    for (std::size_t i = 0; i < plan_.size(); ++i) waiting_.push_back(i);
  }

  std::vector<RunOutcome> Run() {
    while (true) {
      if (InterruptRequested()) StopAll();
      if (!stopped_) StartSome();
      if (active_.empty() && (stopped_ || waiting_.empty())) break;
      Wait();
      Collect();
      display_.Update(Lines());
    }
    for (const std::size_t place : waiting_) outcomes_[place] = Look(place);
    display_.End();
    return std::move(outcomes_);
  }

 private:
  std::string Folder(std::size_t place) const {
    return RunFolder(options_.out, experiment_, plan_[place]->id);
  }
  RunOutcome Look(std::size_t place) const {
    return LookAtRun(Folder(place), plan_[place]->config);
  }

  /// Fills the free places. Runs that other runners have claimed stay in `waiting_`.
  void StartSome() {
    std::vector<std::size_t> left;
    for (const std::size_t place : waiting_) {
      const bool free = active_.size() < static_cast<std::size_t>(options_.jobs);
      if (!free || !Begin(place)) left.push_back(place);
    }
    waiting_ = std::move(left);
  }

  /// False where another runner has it.
  bool Begin(std::size_t place) {
    const std::string folder = Folder(place);
    MakeFolder(folder);
    auto claim = FolderClaim::Try(folder);
    if (!claim) return false;
    RunOutcome found = Look(place);
    const bool failed = found.state == RunState::kFailed;
    if (found.state == RunState::kDone || found.corrupt || (failed && !ToRetry(found, options_))) {
      Finish(place, std::move(found));
      return true;
    }
    try {
      WriteRunConfig(WithShare(plan_[place]->config), folder);
    } catch (const Error& e) {
      found.state = RunState::kFailed;
      found.reason = e.what();
      found.cached = false;
      Finish(place, std::move(found));
      return true;
    }
    for (const char* old : {"/error.txt", "/run.json"}) fs::remove(folder + old);
    display_.Started(*plan_[place]);
    RunProcess process(Words(place), *claim, options_.jobs > 1);
    active_.push_back({place, std::move(*claim), std::move(process)});
    return true;
  }

  /// With its share of the machine's cores, at most.
  RunConfig WithShare(RunConfig config) const {
    if (options_.jobs > 1) {
      const auto cores = static_cast<std::int64_t>(std::thread::hardware_concurrency());
      std::int64_t& threads = config.compute.threads;
      threads = std::clamp<std::int64_t>(cores / options_.jobs, 1, threads);
    }
    return config;
  }

  std::vector<std::string> Words(std::size_t place) const {
    std::vector<std::string> words = {options_.program, "execute", Folder(place), "--runner",
                                      std::to_string(::getpid())};
    if (options_.quiet) words.emplace_back("--quiet");
    if (options_.memory_bytes > 0 || options_.jobs > 1) {
      const std::int64_t bytes = options_.memory_bytes > 0 ? options_.memory_bytes : left_bytes_;
      words.insert(words.end(), {"--max-memory", GibWord(bytes / options_.jobs)});
    }
    if (options_.jobs > 1) words.insert(words.end(), {"--line-seconds", "1"});
    return words;
  }

  /// Until a run writes or ends, at most a fifth of a second.
  void Wait() const {
    std::vector<pollfd> files;
    for (const ActiveRun& run : active_) files.push_back({run.process.output(), POLLIN, 0});
    ::poll(files.data(), files.size(), options_.jobs > 1 ? 200 : 20);
  }

  void Collect() {
    for (std::size_t i = active_.size(); i-- > 0;) {
      const auto status = active_[i].process.Ended();
      if (!status) continue;
      const std::size_t place = active_[i].place;
      Finish(place, OutcomeOf(place, *status));
      active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(i));  // lets go of the claim
    }
  }

  RunOutcome OutcomeOf(std::size_t place, int status) {
    const std::string folder = Folder(place);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      RunOutcome outcome = Look(place);
      outcome.cached = false;
      return outcome;
    }
    RunOutcome outcome;
    outcome.id = plan_[place]->id;
    outcome.folder = folder;
    outcome.reason = FailureReason(folder, status);
    if (Stopped(status)) {
      outcome.state = RunState::kInterrupted;
      stopped_ = true;
      MarkUnfinished(folder, "interrupted");
      return outcome;
    }
    outcome.state = RunState::kFailed;
    outcome.bad_input = WIFEXITED(status) && WEXITSTATUS(status) == 2;
    WriteFailure(*plan_[place], &outcome);
    return outcome;
  }

  /// Whether it ended because it was asked to, perhaps before it could hear.
  static bool Stopped(int status) {
    if (WIFEXITED(status)) return WEXITSTATUS(status) == 130;
    const int signal = WTERMSIG(status);
    return InterruptRequested() && (signal == kStopSignal || signal == SIGINT || signal == SIGTERM);
  }

  void Finish(std::size_t place, RunOutcome outcome) {
    outcomes_[place] = std::move(outcome);
    display_.Finished(*plan_[place], outcomes_[place]);
  }

  void StopAll() {
    if (!stop_sent_) {
      for (const ActiveRun& run : active_) run.process.AskToStop();
    }
    stop_sent_ = stopped_ = true;
  }

  std::vector<RunLine> Lines() const {
    std::vector<RunLine> lines;
    for (const ActiveRun& run : active_) {
      lines.push_back({plan_[run.place], run.process.status()});
    }
    return lines;
  }

  const Experiment& experiment_;
  const RunnerOptions& options_;
  RunnerDisplay display_;
  std::vector<const PlannedRun*> plan_;  // distinct runs
  std::vector<RunOutcome> outcomes_;     // of plan_
  std::vector<std::size_t> waiting_;     // places in plan_
  std::vector<ActiveRun> active_;
  bool stopped_ = false;
  bool stop_sent_ = false;
  const std::int64_t left_bytes_ = AvailableBytes();  // before the first run
};

}  // namespace

std::string GibWord(std::int64_t bytes) {
  char gib[32];
  std::snprintf(gib, sizeof(gib), "%.9f", std::ldexp(static_cast<double>(bytes), -30));
  return gib;
}

bool ToRetry(const RunOutcome& found, const RunnerOptions& options) {
  if (!options.retry_failed || found.state != RunState::kFailed || found.corrupt) return false;
  const auto written = fs::last_write_time(found.folder + "/run.json");
  // A time to come is of a clock that was set back, not of this call.
  return written < options.begun || written > fs::file_time_type::clock::now();
}

std::vector<RunOutcome> RunAll(const Experiment& experiment, const RunnerOptions& options) {
  WriteExperimentFile(options.out, experiment);
  return RunPlan(experiment, options);
}

std::vector<RunOutcome> RunPlan(const Experiment& experiment, const RunnerOptions& options) {
  return LocalRunner(experiment, options).Run();
}

}  // namespace roundlab
