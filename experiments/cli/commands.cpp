#include "experiments/cli/commands.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/interrupt.h"
#include "core/kernels/device.h"
#include "core/model/models_doc.h"
#include "experiments/cli/options_doc.h"
#include "experiments/cli/print_json.h"
#include "experiments/cli/print_table.h"
#include "experiments/cli/runs_json.h"
#include "experiments/cost/estimate.h"
#include "experiments/plan/experiment.h"
#include "experiments/plan/run_memory.h"
#include "experiments/run/execute.h"
#include "experiments/run/input_files.h"
#include "experiments/run/preflight.h"
#include "experiments/run/runner.h"
#include "experiments/tables/ablation.h"
#include "experiments/tables/cell.h"
#include "experiments/tables/mixed_inputs.h"
#include "experiments/tables/table.h"
#include "experiments/train/train.h"
#include "rounding/methods_doc.h"

namespace roundlab {
namespace {

using nlohmann::json;

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

void PrintTables(const CommandLine& line, const Experiment& experiment,
                 const std::vector<RunOutcome>& outcomes) {
  std::vector<TextTable> tables;
  const bool for_programs = line.format == TableFormat::kCsv;
  for (const TableSpec& spec : experiment.tables) {
    tables.push_back(for_programs ? MakeLongTable(experiment, spec, outcomes)
                                  : MakeTable(experiment, spec, outcomes));
  }
  for (TextTable& table : MakeAblationTables(experiment, outcomes)) {
    tables.push_back(std::move(table));
  }
  tables.push_back(MakeOverview(experiment, outcomes));
  for (TextTable& table : MakeProtocolTables(experiment, outcomes)) {
    tables.push_back(std::move(table));
  }
  for (const TextTable& table : tables) {
    Print((&table == tables.data() ? "" : "\n") + TableText(line, table));
  }
}

void PrintOutcomes(const CommandLine& line, const Experiment& experiment,
                   const std::vector<RunOutcome>& outcomes) {
  TellMixed(MixedInputs(experiment, outcomes));
  TellChanged(experiment, outcomes);
  if (!line.json) return PrintTables(line, experiment, outcomes);
  PrintJson({{"experiment", experiment.name}, {"runs", RunsJson(experiment, outcomes)}});
}

/// Leaves the reason of a failure to the runner; on a full disk it goes to stderr.
int TellError(const std::string& folder, const std::string& reason, int code) {
  try {
    WriteFileAtomically(folder + "/error.txt", reason);
  } catch (const Error&) {
    std::fprintf(stderr, "%s\n", reason.c_str());
  }
  return code;
}

}  // namespace

std::int64_t MemoryBytes(const CommandLine& line) {
  return static_cast<std::int64_t>(line.max_memory * 1024 * 1024 * 1024);
}

void TellMixed(const std::vector<std::string>& mixed) {
  for (const std::string& line : mixed) {
    std::fprintf(stderr, "not to be compared: %s\n", line.c_str());
  }
}

void TellChanged(const Experiment& experiment, const std::vector<RunOutcome>& outcomes) {
  for (const std::string& line : ChangedInputs(experiment, outcomes)) {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void TellUnused(const Experiment& experiment) {
  std::vector<std::string> lines;
  std::map<std::string, std::vector<const PlannedRun*>> runs;  // by line
  for (const PlannedRun& run : experiment.runs) {
    for (const Diagnostic& unused : run.config.Unused()) {
      const std::string line = unused.where.ToString() + ": " + unused.message;
      std::vector<const PlannedRun*>& having = runs[line];
      if (having.empty()) lines.push_back(line);
      having.push_back(&run);
    }
  }
  for (const std::string& line : lines) {
    const std::vector<const PlannedRun*>& having = runs.at(line);
    std::string where;
    if (having.size() < experiment.runs.size()) {
      where = " (" + PointLabel(experiment, *having.front()) +
              (having.size() == 1 ? ")" : " and " + std::to_string(having.size() - 1) + " more)");
    }
    std::fprintf(stderr, "%s%s\n", line.c_str(), where.c_str());
  }
}

void RequireArguments(const CommandLine& line, std::size_t count) {
  if (line.arguments.size() != count) throw Error("usage: roundlab " + line.usage);
}

Experiment LoadExperimentOf(const CommandLine& line) {
  std::vector<std::string> set = line.set;
  if (!line.device.empty()) set.push_back("compute.device=" + line.device);
  Experiment experiment = LoadExperiment(line.arguments[0], set);
  KeepOnly(line.only, &experiment);
  return experiment;
}

bool IsSettled(const RunOutcome& found, const CommandLine& line) {
  const bool given_up = found.corrupt || !line.retry_failed;
  return found.state == RunState::kDone || (found.state == RunState::kFailed && given_up);
}

Experiment Unfinished(Experiment experiment, const CommandLine& line) {
  std::erase_if(experiment.runs, [&](const PlannedRun& run) {
    return IsSettled(LookAtRun(RunFolder(line.out, experiment, run.id), run.config), line);
  });
  return experiment;
}

std::string MemoryProblem(const PlannedRun& run, Estimator* estimator) {
  const double limit = run.config.compute.memory_limit;
  if (limit == 0) return "";
  const double needed = estimator->PeakGib(run.config).value_or(0);
  if (needed <= limit) return "";
  return run.config.compute.limit_where.ToString() + ": run " + run.id + " needs about " +
         FormatNumber(needed) +
         " GiB of memory, its hidden states not counted, and compute.memory_limit is " +
         FormatNumber(limit) + ": set a larger one" +
         (TuningOf(run.config).empty()
              ? ""
              : ", a smaller batch or, with the same steps, a larger accumulate");
}

namespace {

/// Throws Error where a run's estimate is above its compute.memory_limit.
void CheckMemory(const Experiment& experiment) {
  Estimator estimator(std::nullopt);
  for (const PlannedRun& run : experiment.runs) {
    const std::string problem = MemoryProblem(run, &estimator);
    if (!problem.empty()) throw Error(problem);
  }
}

/// A GPU that is asked for by name, where runs are computed on this machine.
void CheckDevices(const CommandLine& line, const Experiment& experiment) {
  if (ChosenSlurm(line)) return;
  for (const PlannedRun& run : experiment.runs) {
    const WantedDevice& device = run.config.compute.device;
    if (!device || device->is_cpu()) continue;
    const std::string problem = GpuProblem(*device);
    if (!problem.empty()) throw ConfigError({{run.config.compute.device_where, problem}});
  }
}

}  // namespace

void CheckRuns(const CommandLine& line, const Experiment& unfinished) {
  CheckDevices(line, unfinished);
  CheckInputs(unfinished);
  CheckMemory(unfinished);
  TellUnused(unfinished);
}

void CheckRunLine(const CommandLine& line) {
  if (!(line.max_memory >= 0 && line.max_memory < 1e6)) {
    throw Error("command line: --max-memory " + FormatNumber(line.max_memory) +
                " is out of range [0, 1000000) GiB");
  }
  if (line.jobs < 1) {
    throw Error("command line: --jobs " + std::to_string(line.jobs) + " is below 1");
  }
  ChosenSlurm(line);
}

std::vector<RunOutcome> RunExperiment(const CommandLine& line, const Experiment& experiment) {
  const std::optional<SlurmOptions> slurm = ChosenSlurm(line);
  InstallInterruptHandler();
  RunnerOptions options;
  options.program = line.program;
  options.out = line.out;
  options.jobs = line.jobs;
  options.memory_bytes = MemoryBytes(line);
  options.retry_failed = line.retry_failed;
  options.quiet = line.quiet;
  return slurm ? RunAllOnSlurm(experiment, options, *slurm) : RunAll(experiment, options);
}

int TellProblems(const std::vector<RunOutcome>& outcomes) {
  int code = 0;
  bool before = false;
  for (const RunOutcome& outcome : outcomes) {
    if (outcome.state == RunState::kDone || outcome.state == RunState::kInterrupted) continue;
    if (outcome.state == RunState::kNotRun && InterruptRequested()) continue;
    std::fprintf(stderr, "run %s %s: %s\n", outcome.id.c_str(), StateName(outcome),
                 outcome.reason.c_str());
    before = before || (outcome.cached && !outcome.corrupt);
    code = std::max(code, outcome.bad_input || outcome.corrupt ? 2 : 1);
  }
  if (before)
    std::fprintf(stderr, "runs that had failed before: --retry-failed tries them again\n");
  const bool interrupted = std::any_of(
      outcomes.begin(), outcomes.end(),
      [](const RunOutcome& outcome) { return outcome.state == RunState::kInterrupted; });
  if (!interrupted && !InterruptRequested()) return code;
  std::fprintf(stderr, "%s\n", Interrupted().what());
  return 130;
}

int RunCommand(const CommandLine& line) {
  RequireArguments(line, 1);
  CheckRunLine(line);
  const Experiment experiment = LoadExperimentOf(line);
  const Experiment unfinished = Unfinished(experiment, line);
  CheckRuns(line, unfinished);
  const auto outcomes = RunExperiment(line, experiment);
  PrintOutcomes(line, experiment, outcomes);
  return TellProblems(outcomes);
}

int TableCommand(const CommandLine& line) {
  RequireArguments(line, 1);
  const Experiment experiment = LoadExperimentOf(line);
  PrintOutcomes(line, experiment, LookAtAll(experiment, line.out));
  return 0;
}

int ValidateCommand(const CommandLine& line) {
  RequireArguments(line, 1);
  const std::string& file = line.arguments[0];
  if (IsTraining(LoadConfig(file))) {
    CheckTexts(LoadTrainConfig(file, line.set));
    Print(file + ": good, a training\n");
    return 0;
  }
  const Experiment experiment = LoadExperimentOf(line);
  CheckInputs(experiment);
  CheckMemory(experiment);
  TellUnused(experiment);
  Print(file + ": good, " + std::to_string(DistinctRuns(experiment).size()) + " runs\n");
  return 0;
}

int ExecuteCommand(const CommandLine& line) {
  RequireArguments(line, 1);
  const std::string& folder = line.arguments[0];
  const RunConfig config = LoadRunConfig(folder);
  InstallInterruptHandler();
  std::signal(SIGPIPE, SIG_IGN);  // log.txt has all that nobody reads any longer
  if (line.runner != 0) StopWithParent(static_cast<pid_t>(line.runner));
  const ExecuteOptions options{folder, line.quiet, line.line_seconds, MemoryBytes(line)};
  try {
    ExecuteRun(config, options);
  } catch (const Interrupted&) {
    if (line.runner != 0) return 130;  // the runner tells
    throw;
  } catch (const Diverged& e) {
    return TellError(folder, e.what(), 1);
  } catch (const Error& e) {
    return TellError(folder, e.what(), 2);
  } catch (const std::exception& e) {
    return TellError(folder, e.what(), 1);
  }
  return 0;
}

int ListCommand(const CommandLine& line) {
  if (line.arguments.size() > 1) RequireArguments(line, 1);
  Print(ListParts(line.arguments.empty() ? "" : line.arguments[0]));
  return 0;
}

int DescribeCommand(const CommandLine& line) {
  if (line.arguments.size() == 1 && line.arguments[0] == "all") {
    Print(OptionsMarkdown());
    return 0;
  }
  if (line.arguments.size() == 1 && line.arguments[0] == "models") {
    Print(ModelsMarkdown());
    return 0;
  }
  if (line.arguments.size() == 1 && line.arguments[0] == "methods") {
    Print(MethodsMarkdown());
    return 0;
  }
  RequireArguments(line, 2);
  Print(DescribePart(line.arguments[0], line.arguments[1]));
  return 0;
}

}  // namespace roundlab
