#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/cli/command_line.h"
#include "experiments/plan/experiment.h"
#include "experiments/run/runner.h"
#include "experiments/run/slurm_engine.h"

namespace roundlab {

class Estimator;

// Each returns the exit code: 0 done, 1 a run failed, 2 it failed for bad input, 130 interrupted.
// Bad input that is known before anything runs throws Error.

int RunCommand(const CommandLine& line);         ///< run FILE
int PlanCommand(const CommandLine& line);        ///< plan FILE
int TableCommand(const CommandLine& line);       ///< table FILE
int ReproduceCommand(const CommandLine& line);   ///< reproduce FILE
int ValidateCommand(const CommandLine& line);    ///< validate FILE
int ExecuteCommand(const CommandLine& line);     ///< execute FOLDER: one run, started by `run`
int ListCommand(const CommandLine& line);        ///< list [KIND]
int DescribeCommand(const CommandLine& line);    ///< describe KIND NAME, describe all
int ScoreCommand(const CommandLine& line);       ///< score --model M (--text T | --ids FILE)
int CompareCommand(const CommandLine& line);     ///< compare A B: two folders of runs
int ReportCommand(const CommandLine& line);      ///< report DIR: of one experiment's runs
int PromptsCommand(const CommandLine& line);     ///< prompts TASK...: what tasks ask
int SampleCommand(const CommandLine& line);      ///< sample --model M: text from the model
int TokenizeCommand(const CommandLine& line);    ///< tokenize --model M (--text T | --file F)
int QuickstartCommand(const CommandLine& line);  ///< quickstart: the built-in laboratory
int TrainCommand(const CommandLine& line);       ///< train FILE: a language model
int BenchCommand(const CommandLine& line);       ///< bench [SHAPE]...
int WorldCommand(const CommandLine& line);       ///< world: text of the built-in laboratory

/// The experiment that a command's first argument names, by --set and --only.
Experiment LoadExperimentOf(const CommandLine& line);

/// Whether `run` leaves a run as it was found: done, or failed and not to be tried again.
bool IsSettled(const RunOutcome& found, const CommandLine& line);

/// Runs of the plan that are yet to be done: failed ones only with --retry-failed. Throws Error
/// where a folder of theirs holds something else.
Experiment Unfinished(Experiment experiment, const CommandLine& line);

/// Says on stderr what stages were given and have no use for.
void TellUnused(const Experiment& experiment);

/// Throws Error where jobs, memory or engine can't be.
void CheckRunLine(const CommandLine& line);

/// What is wrong with a run that needs more than its compute.memory_limit, or "".
std::string MemoryProblem(const PlannedRun& run, Estimator* estimator);
/// Throws Error or ConfigError where a run lacks its GPU, its inputs or memory; tells what is
/// unused.
void CheckRuns(const CommandLine& line, const Experiment& unfinished);

/// What `run` does with an experiment whose inputs are checked: all its runs.
std::vector<RunOutcome> RunExperiment(const CommandLine& line, const Experiment& experiment);

/// Says on stderr which runs are not complete and why; the exit code.
int TellProblems(const std::vector<RunOutcome>& outcomes);

/// slurm-task FOLDER N: one run, as Slurm starts it.
int SlurmTaskCommand(const CommandLine& line);

/// How `run` is to use Slurm; nullopt where it runs on this machine. Throws Error where there is no
/// Slurm.
std::optional<SlurmOptions> ChosenSlurm(const CommandLine& line);

/// Of --max-memory; 0: not given.
std::int64_t MemoryBytes(const CommandLine& line);

/// Tells MixedInputs, a line each.
void TellMixed(const std::vector<std::string>& mixed);
/// Tells ChangedInputs, a line each.
void TellChanged(const Experiment& experiment, const std::vector<RunOutcome>& outcomes);

/// Throws Error, which tells the usage, unless the command has exactly `count` arguments.
void RequireArguments(const CommandLine& line, std::size_t count);

}  // namespace roundlab
