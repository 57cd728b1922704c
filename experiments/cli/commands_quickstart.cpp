#include <algorithm>
#include <cstdio>
#include <thread>

#include "core/base/folders.h"
#include "experiments/cli/commands.h"

namespace roundlab {

int QuickstartCommand(const CommandLine& line) {
  RequireArguments(line, 0);
  int code = 0;
  for (const char* name : {"quickstart", "ablation"}) {
    CommandLine step = line;
    step.command = "run";
    step.arguments = {ConfigFolder() + "/lab/" + name + ".yaml"};
    if (!line.jobs_given)
      step.jobs = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
    const int of_it = RunCommand(step);
    if (of_it == 130) return of_it;
    code = std::max(code, of_it);
    std::printf("\nReport: ");
    std::fflush(stdout);
    step.command = "report";
    step.arguments = {line.out + "/" + LoadExperiment(step.arguments[0], {}).name};
    step.out_given = false;
    ReportCommand(step);
    std::printf("\n");
  }
  return code;
}

}  // namespace roundlab
