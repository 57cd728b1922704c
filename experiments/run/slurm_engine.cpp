#include "experiments/run/slurm_engine.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/folder_claim.h"
#include "core/base/interrupt.h"
#include "core/base/keys.h"
#include "experiments/run/run_process.h"
#include "experiments/run/runner_display.h"
#include "experiments/run/slurm_client.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using Clock = std::chrono::steady_clock;

/// Slurm takes arrays of up to 1000 tasks unless it is set up otherwise (MaxArraySize).
constexpr std::size_t kLargestArray = 1000;

/// The last line of a file; empty where there is none yet.
std::string LastLine(const std::string& file) {
  if (!fs::exists(file)) return "";
  const std::string text = ReadFile(file);
  const auto lines = Lines(text);
  return lines.empty() ? "" : std::string(lines.back());
}

/// Where a task says that it was asked to stop and did, so that its run can go on.
std::string StoppedFile(const std::string& folder, std::size_t task) {
  return folder + "/" + std::to_string(task) + ".stopped";
}

bool AnyLive(const SlurmTaskStates& states) {
  return std::any_of(states.begin(), states.end(),
                     [](const auto& task) { return task.second.Live(); });
}

class SlurmRunner {
 public:
  SlurmRunner(const Experiment& experiment, const RunnerOptions& options, const SlurmOptions& slurm)
      : experiment_(experiment),
        options_(options),
        slurm_(slurm),
        folder_(SlurmFolder(options.out, experiment)),
        display_(experiment, options.quiet, true),
        plan_(DistinctRuns(experiment)),
        outcomes_(plan_.size()) {
    for (std::size_t i = 0; i < plan_.size(); ++i) open_.insert(i);
  }

  std::vector<RunOutcome> Run() {
    MakeFolder(folder_);
    const std::optional<FolderClaim> claim = Claim();
    const bool adopted = claim && !Unfinished().empty() && Adopt();
    if (adopted) Watch();
    while (claim && !stopped_) {
      const std::vector<std::size_t> places = Unfinished();
      if (places.empty() || (adopted && !AwaitEnd())) break;
      Submit(places);
      Watch();
    }
    for (const std::size_t place : open_) outcomes_[place] = Look(place);
    display_.End();
    return std::move(outcomes_);
  }

 private:
  /// A run of the array being watched.
  struct Task {
    std::size_t place = 0;  ///< in the plan
    bool started = false;
    std::optional<Clock::time_point> ended{};  ///< when it was first seen to have ended
    SlurmTaskState state{};
  };

  std::string Folder(std::size_t place) const {
    return RunFolder(options_.out, experiment_, plan_[place]->id);
  }
  RunOutcome Look(std::size_t place) const {
    return LookAtRun(Folder(place), plan_[place]->config);
  }

  /// One process at a time has the array of an experiment. nullopt where a stop was asked for.
  std::optional<FolderClaim> Claim() {
    for (bool told = false; !InterruptRequested(); told = true) {
      if (auto claim = FolderClaim::Try(folder_)) return claim;
      if (!told) display_.Say(folder_ + ": waiting for another `run --engine slurm`");
      std::this_thread::sleep_for(std::min(slurm_.pause, std::chrono::milliseconds(200)));
    }
    stopped_ = true;
    return std::nullopt;
  }

  /// Takes up the array of a process that was killed; false where none of it is left.
  bool Adopt() {
    const std::string file = folder_ + "/job.txt";
    if (!fs::exists(file)) return false;
    job_ = LastLine(file);
    if (!AnyLive(AskUntilAnswered())) return false;
    const std::string list = ReadFile(folder_ + "/runs.txt");
    const auto ids = Lines(list);
    tasks_.clear();
    for (const std::size_t place : open_) {
      const auto found = std::find(ids.begin(), ids.end(), plan_[place]->id);
      if (found != ids.end() && !ToRetry(Look(place), options_)) {
        tasks_[static_cast<int>(found - ids.begin())] = {place};
      }
    }
    since_ = fs::last_write_time(folder_ + "/runs.txt");
    display_.Say("Slurm job " + job_ + " of an earlier call is still there: waiting for it");
    return true;
  }

  /// Until nothing of the array is left that was there before: its tasks read runs.txt. False where
  /// a stop was asked for.
  bool AwaitEnd() {
    while (AnyLive(AskUntilAnswered())) {
      if (InterruptRequested()) Cancel();
      Sleep(slurm_.pause);
    }
    return !stopped_;
  }

  /// Places of what is to be done, at most an array of it. What is done is finished on the way, and
  /// nothing comes twice.
  std::vector<std::size_t> Unfinished() {
    std::vector<std::size_t> places;
    for (const std::size_t place : std::set<std::size_t>(open_)) {
      RunOutcome found = Look(place);
      const bool retry =
          found.state == RunState::kFailed && !found.corrupt && options_.retry_failed;
      if (found.state == RunState::kNotRun || retry) {
        if (places.size() < kLargestArray) places.push_back(place);
      } else {
        Finish(place, std::move(found));
      }
    }
    return places;
  }

  void Submit(const std::vector<std::size_t>& places) {
    std::string ids;
    SlurmNeeds needs;
    tasks_.clear();
    for (const std::size_t place : places) {
      const std::string folder = Folder(place);
      MakeFolder(folder);
      const auto claim = FolderClaim::Try(folder);
      if (claim) WriteRunConfig(plan_[place]->config, folder);
      fs::remove(StoppedFile(folder_, tasks_.size()));
      tasks_[static_cast<int>(tasks_.size())] = {place};
      ids += plan_[place]->id + "\n";
      const ComputeOptions& compute = plan_[place]->config.compute;
      needs.threads = std::max(needs.threads, compute.threads);
      needs.gpu = needs.gpu || (compute.device && compute.device->is_cuda());
    }
    fs::remove(folder_ + "/job.txt");
    WriteFileAtomically(folder_ + "/runs.txt", ids);
    WriteFileAtomically(folder_ + "/job.sh", SlurmScript(folder_, options_));
    since_ = fs::last_write_time(folder_ + "/runs.txt");
    job_ = SubmitSlurmJob(SlurmWords(folder_, experiment_.name, places.size(), needs, slurm_));
    WriteFileAtomically(folder_ + "/job.txt", job_ + "\n");
    display_.Say("Slurm job " + job_ + ": " + std::to_string(places.size()) + " runs");
  }

  /// Until all tasks have ended and what they left is known.
  void Watch() {
    std::chrono::milliseconds pause = std::min(slurm_.pause, std::chrono::milliseconds(200));
    while (!tasks_.empty()) {
      if (InterruptRequested()) Cancel();
      const SlurmTaskStates states = AskUntilAnswered();
      for (const int task : Keys(tasks_)) Follow(task, states);
      display_.Update(RunLines());
      if (!tasks_.empty()) Sleep(pause);
      pause = std::min(slurm_.pause, pause + pause / 4);
    }
  }

  /// An interrupt ends it early, once.
  void Sleep(std::chrono::milliseconds time) const {
    const auto end = Clock::now() + time;
    while (Clock::now() < end && (cancelled_ || !InterruptRequested())) {
      std::this_thread::sleep_for(std::min(time, std::chrono::milliseconds(50)));
    }
  }

  SlurmTaskStates AskUntilAnswered() {
    std::string problem;
    for (bool told = false;; told = true) {
      if (const auto states = AskSlurm(job_, &problem)) return *states;
      if (!told) display_.Say(problem + "; asking again");
      Sleep(slurm_.pause);
      if (InterruptRequested()) Cancel();
    }
  }

  void Cancel() {
    if (cancelled_) return;
    cancelled_ = stopped_ = true;
    display_.Say("ending Slurm job " + job_);
    CancelSlurmJob(job_);
  }

  /// Takes in what is known of a task, and lets go of it when its run has an outcome.
  void Follow(int number, const SlurmTaskStates& states) {
    Task& task = tasks_[number];
    const auto found = states.find(number);
    task.state = found == states.end() ? SlurmTaskState() : found->second;
    if (task.state.name == "RUNNING" && !task.started) {
      task.started = true;
      display_.Started(*plan_[task.place]);
    }
    RunOutcome outcome = Look(task.place);
    if (HasResult(outcome)) {
      outcome.cached = false;
      Finish(task.place, std::move(outcome));
      tasks_.erase(number);
    } else if (task.state.Live()) {
      task.ended.reset();  // perhaps it was put back into the queue
    } else if (Conclude(number, &task)) {
      tasks_.erase(number);
    }
  }

  /// Not where it is a failure that this array was to try again.
  bool HasResult(const RunOutcome& outcome) const {
    if (outcome.state != RunState::kFailed || outcome.corrupt || !options_.retry_failed) {
      return outcome.state != RunState::kNotRun;
    }
    return fs::last_write_time(outcome.folder + "/run.json") >= since_;
  }

  /// A task has ended and there is no result to be seen. False where one may still come. A task
  /// that was asked to stop by others than us (preemption, a signal late for its first start) keeps
  /// its place open, once.
  bool Conclude(int number, Task* task) {
    if (task->state.name.empty()) task->state = AskSlurmAccounting(job_, number);
    const std::string& state = task->state.name;
    if (state == "CANCELLED" || cancelled_) {
      RunOutcome outcome = Look(task->place);
      outcome.state = RunState::kInterrupted;
      outcome.reason = "Slurm task " + TaskName(number) + " was cancelled";
      stopped_ = true;
      Finish(task->place, std::move(outcome));
      return true;
    }
    if (fs::exists(StoppedFile(folder_, static_cast<std::size_t>(number))) &&
        again_.insert(task->place).second) {
      display_.Say("Slurm task " + TaskName(number) + " was asked to stop; it is submitted again");
      return true;
    }
    if (!task->ended) task->ended = Clock::now();
    const bool should_be_there = state.empty() || state == "COMPLETED" || state == "FAILED";
    if (should_be_there && Clock::now() - *task->ended < slurm_.patience) return false;
    return Fail(number, *task);
  }

  /// False where somebody else has claimed the run by now.
  bool Fail(int number, const Task& task) {
    const std::string folder = Folder(task.place);
    const auto claim = FolderClaim::Try(folder);
    if (!claim) return false;
    RunOutcome outcome = Look(task.place);
    if (!HasResult(outcome)) {
      outcome.state = RunState::kFailed;
      outcome.reason = "Slurm task " + TaskName(number) + " ended without a result" +
                       (task.state.name.empty() ? "" : ", as " + task.state.Text()) +
                       "; its output: " + folder_ + "/" + TaskName(number) + ".log";
      WriteFailure(*plan_[task.place], &outcome);
    }
    outcome.cached = false;
    Finish(task.place, std::move(outcome));
    return true;
  }

  std::string TaskName(int number) const { return job_ + "_" + std::to_string(number); }

  void Finish(std::size_t place, RunOutcome outcome) {
    outcomes_[place] = std::move(outcome);
    open_.erase(place);
    display_.Finished(*plan_[place], outcomes_[place]);
  }

  /// Of what runs, and of the first that waits.
  std::vector<RunLine> RunLines() const {
    std::vector<RunLine> lines;
    bool waiting = false;
    for (const auto& [number, task] : tasks_) {
      const bool pending = task.state.name == "PENDING";
      if (pending && waiting) continue;
      waiting = waiting || pending;
      const std::string status =
          task.state.name == "RUNNING" ? LastLine(Folder(task.place) + "/log.txt") : "";
      lines.push_back({plan_[task.place], status.empty() ? task.state.Text() : status});
    }
    return lines;
  }

  const Experiment& experiment_;
  const RunnerOptions& options_;
  const SlurmOptions& slurm_;
  const std::string folder_;
  RunnerDisplay display_;
  const std::vector<const PlannedRun*> plan_;  // distinct runs
  std::vector<RunOutcome> outcomes_;           // of plan_
  std::set<std::size_t> open_;                 // places in plan_ without an outcome
  std::set<std::size_t> again_;                // places that were submitted again, once
  std::string job_;
  std::map<int, Task> tasks_;   // of job_, without an outcome; by number
  fs::file_time_type since_{};  // failures older than this are not of job_
  bool stopped_ = false;
  bool cancelled_ = false;
};

}  // namespace

std::string SlurmFolder(const std::string& out, const Experiment& experiment) {
  return fs::absolute(out + "/" + experiment.name + "/slurm").lexically_normal().string();
}

std::string SlurmScript(const std::string& folder, const RunnerOptions& options) {
  return "#!/bin/sh\n# Written by roundlab: a task of a job array does the run in its line of "
         "runs.txt.\nexec " +
         ShellWord(options.program) + " slurm-task " + ShellWord(folder) +
         " \"$SLURM_ARRAY_TASK_ID\"" + (options.retry_failed ? " --retry-failed" : "") +
         (options.memory_bytes > 0 ? " --max-memory " + GibWord(options.memory_bytes) : "") + "\n";
}

std::vector<std::string> SlurmWords(const std::string& folder, const std::string& name,
                                    std::size_t runs, const SlurmNeeds& needs,
                                    const SlurmOptions& slurm) {
  std::string log;  // % stands for something in sbatch's file names
  for (const char c : folder) log += c == '%' ? std::string("%%") : std::string(1, c);
  std::vector<std::string> words = {"--job-name=" + name, "--requeue", "--ntasks=1",
                                    "--cpus-per-task=" + std::to_string(needs.threads)};
  if (needs.gpu) words.emplace_back("--gres=gpu:1");
  words.insert(words.end(), slurm.words.begin(), slurm.words.end());
  words.insert(words.end(), {"--output=" + log + "/%A_%a.log", "--open-mode=append",
                             "--array=0-" + std::to_string(runs - 1) +
                                 (slurm.jobs > 0 ? "%" + std::to_string(slurm.jobs) : ""),
                             folder + "/job.sh"});
  return words;
}

std::vector<RunOutcome> RunAllOnSlurm(const Experiment& experiment, const RunnerOptions& options,
                                      const SlurmOptions& slurm) {
  WriteExperimentFile(options.out, experiment);
  return SlurmRunner(experiment, options, slurm).Run();
}

RunOutcome RunSlurmTask(const std::string& folder, std::size_t task, RunnerOptions options) {
  const std::string list = folder + "/runs.txt";
  const std::string text = ReadFile(list);
  const auto ids = Lines(text);
  if (task >= ids.size()) {
    throw Error(list + ": no line for task " + std::to_string(task) + ", there are " +
                std::to_string(ids.size()));
  }
  const fs::path experiment_folder = fs::path(folder).parent_path();
  Experiment one;
  one.name = experiment_folder.filename().string();
  options.out = experiment_folder.parent_path().string();
  options.begun = fs::last_write_time(list);
  PlannedRun run;
  run.id = std::string(ids[task]);
  run.config = LoadRunConfig(RunFolder(options.out, one, run.id));
  run.seed = run.config.seed;
  one.runs.push_back(std::move(run));
  fs::remove(StoppedFile(folder, task));
  RunOutcome outcome = RunPlan(one, options).front();
  if (outcome.state == RunState::kInterrupted) {
    WriteFileAtomically(StoppedFile(folder, task), outcome.id + "\n");
  }
  return outcome;
}

}  // namespace roundlab
