#include <charconv>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "experiments/cli/commands.h"
#include "experiments/run/slurm_client.h"

namespace roundlab {

std::optional<SlurmOptions> ChosenSlurm(const CommandLine& line) {
  if (line.engine == Engine::kLocal) {
    if (line.slurm_options) throw Error("command line: --slurm-options needs --engine slurm");
    return std::nullopt;
  }
  SlurmOptions slurm;
  if (line.slurm_options) slurm.words = SplitSlurmOptions(*line.slurm_options);
  slurm.jobs = line.jobs_given ? line.jobs : 0;
  RequireSlurm();
  return slurm;
}

int SlurmTaskCommand(const CommandLine& line) {
  RequireArguments(line, 2);
  const std::string& number = line.arguments[1];
  std::size_t task = 0;
  const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), task);
  if (problem != std::errc() || end != number.data() + number.size()) {
    throw Error("command line: slurm-task: '" + number + "' is not the number of a task");
  }
  InstallInterruptHandler();
  RunnerOptions options;
  options.program = line.program;
  options.retry_failed = line.retry_failed;
  options.memory_bytes = MemoryBytes(line);
  options.quiet = line.quiet;
  const RunOutcome outcome = RunSlurmTask(line.arguments[0], task, options);
  if (outcome.state == RunState::kDone) return 0;
  if (outcome.state != RunState::kFailed) return 130;
  std::fprintf(stderr, "run %s failed: %s\n", outcome.id.c_str(), outcome.reason.c_str());
  return outcome.bad_input || outcome.corrupt ? 2 : 1;
}

}  // namespace roundlab
