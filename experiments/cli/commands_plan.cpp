#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/base/gib.h"
#include "core/base/log.h"
#include "core/base/statistics.h"
#include "core/metrics/memory.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/print_json.h"
#include "experiments/cli/print_table.h"
#include "experiments/cli/runs_json.h"
#include "experiments/cost/estimate.h"
#include "experiments/run/preflight.h"
#include "experiments/tables/cell.h"
#include "experiments/tables/text_table.h"

namespace roundlab {
namespace {

using nlohmann::json;

/// A distinct run with what is known of it before and, where it is done, after.
struct Forecast {
  const PlannedRun* run;
  RunOutcome outcome;
  std::optional<Estimate> estimate;

  /// estimate / measured; NaN where one is missing. Wall time of a run on this machine.
  double Ratio() const {
    const auto measured = outcome.result.Value("cost/seconds");
    const bool both = estimate && estimate->seconds && estimate->evaluation && measured;
    return both && *measured > 0 ? *estimate->seconds / *measured : std::nan("");
  }
};

std::string TimeText(const Forecast& f) {
  if (!f.estimate || !f.estimate->seconds) return "?";
  return FormatDuration(*f.estimate->seconds) + (f.estimate->evaluation ? "" : " + evaluation");
}

std::string MeasuredTime(const Forecast& f) {
  const auto seconds = f.outcome.result.Value("cost/seconds");
  return seconds ? FormatDuration(*seconds) : "";
}

std::string MeasuredGib(const Forecast& f) {
  const auto gib = f.outcome.result.Value("cost/peak_gib");
  return gib ? FormatNumber(*gib) : "";
}

void PrintPlan(const CommandLine& line, const Experiment& experiment,
               const std::vector<Forecast>& forecasts) {
  std::map<std::string, const Forecast*> by_id;
  for (const Forecast& f : forecasts) by_id.emplace(f.outcome.id, &f);
  TextTable table;
  table.header = {"id", "status", "seed"};
  for (const Axis& axis : experiment.axes) table.header.push_back(axis.name);
  table.header.insert(table.header.end(), {"estimate", "GiB", "measured", "measured GiB"});
  for (const PlannedRun& run : experiment.runs) {
    const Forecast& f = *by_id.at(run.id);
    auto& row = table.rows.emplace_back();
    row = {run.id, StateName(f.outcome), std::to_string(run.seed)};
    for (const Axis& axis : experiment.axes) row.push_back(run.labels.at(axis.name));
    row.push_back(TimeText(f));
    row.push_back(f.estimate ? FormatNumber(f.estimate->peak_gib) : "?");
    row.push_back(MeasuredTime(f));
    row.push_back(MeasuredGib(f));
  }
  std::fputs(TableText(line, table).c_str(), stdout);
}

/// The runs that `run` would do.
Experiment ToDo(Experiment experiment, const std::vector<Forecast>& forecasts,
                const CommandLine& line) {
  std::set<std::string> settled;
  for (const Forecast& f : forecasts) {
    if (IsSettled(f.outcome, line)) settled.insert(f.outcome.id);
  }
  std::erase_if(experiment.runs, [&](const PlannedRun& run) { return settled.count(run.id) > 0; });
  return experiment;
}

/// Tells why `run` will refuse, as far as that is known without reading texts. Whether it will.
bool TellRefused(const Experiment& unfinished, Estimator* estimator) {
  bool refused = false;
  const auto tell = [&](const std::string& problem) {
    if (!problem.empty()) std::fprintf(stderr, "%s\n", problem.c_str());
    refused = refused || !problem.empty();
  };
  try {
    CheckShapes(unfinished);
  } catch (const Error& e) {
    tell(e.what());
  }
  for (const PlannedRun* run : DistinctRuns(unfinished)) tell(MemoryProblem(*run, estimator));
  return refused;
}

/// hardware: that was asked for; else it is this machine.
void PrintSummary(const CommandLine& line, const Experiment& experiment,
                  const std::vector<Forecast>& forecasts, const std::optional<Hardware>& hardware) {
  double left = 0;
  std::size_t to_do = 0;
  std::size_t timeless = 0;
  std::size_t unknown = 0;
  std::size_t failed = 0;
  std::size_t too_large = 0;
  const double room =
      hardware ? hardware->memory_gib : static_cast<double>(AvailableBytes()) / kGib;
  std::vector<double> ratios;
  for (const Forecast& f : forecasts) {
    const bool done = IsSettled(f.outcome, line);
    failed += f.outcome.state == RunState::kFailed && !f.outcome.corrupt ? 1U : 0U;
    if (f.outcome.corrupt) std::fprintf(stderr, "%s\n", f.outcome.reason.c_str());
    to_do += done ? 0 : 1;
    if (!done && f.estimate) left += f.estimate->seconds.value_or(0);
    timeless += !done && f.estimate && !f.estimate->seconds ? 1U : 0U;
    unknown += !done && !f.estimate ? 1U : 0U;
    // No time is known of a run on a GPU without its figures, and no memory.
    const bool known = f.estimate && f.estimate->seconds && room > 0;
    too_large += !done && known && f.estimate->peak_gib > room ? 1U : 0U;
    if (!std::isnan(f.Ratio())) ratios.push_back(std::log(f.Ratio()));
  }
  std::FILE* const to = line.format ? stderr : stdout;  // a table for a program is nothing else
  std::fprintf(to, "\n%zu runs in %s/%s, %zu to do, about %s one after the other\n",
               forecasts.size(), line.out.c_str(), experiment.name.c_str(), to_do,
               FormatDuration(left).c_str());
  if (failed > 0) {
    std::fprintf(to, "%zu have failed and are not tried again without --retry-failed\n", failed);
  }
  if (unknown > 0) std::fprintf(to, "%zu of them not counted: their model is not here\n", unknown);
  if (too_large > 0) {
    std::fprintf(to, "%zu need more than the %s GiB of memory %s\n", too_large,
                 FormatNumber(room).c_str(),
                 hardware ? ("that " + line.hardware + " has").c_str() : "that are left here");
  }
  if (timeless > 0) {
    std::fprintf(to,
                 "%zu of them on a GPU, whose time is not known here: --hardware NAME tells it\n",
                 timeless);
  }
  if (ratios.empty() || hardware) return;
  std::fprintf(to, "estimate / measured of %zu complete runs: %.2f (geometric mean)\n",
               ratios.size(), std::exp(Mean(ratios)));
}

std::vector<RunOutcome> OutcomesOf(const std::vector<Forecast>& forecasts) {
  std::vector<RunOutcome> outcomes;
  outcomes.reserve(forecasts.size());
  for (const Forecast& f : forecasts) outcomes.push_back(f.outcome);
  return outcomes;
}

json ToJson(const Experiment& experiment, const std::vector<Forecast>& forecasts) {
  json runs = RunsJson(experiment, OutcomesOf(forecasts));
  for (std::size_t i = 0; i < forecasts.size(); ++i) {
    if (!forecasts[i].estimate) continue;
    const Estimate& estimate = *forecasts[i].estimate;
    runs[i]["estimate"] = {{"peak_gib", estimate.peak_gib}, {"evaluation", estimate.evaluation}};
    if (estimate.seconds) runs[i]["estimate"]["seconds"] = *estimate.seconds;
  }
  return {{"experiment", experiment.name}, {"runs", std::move(runs)}};
}

}  // namespace

int PlanCommand(const CommandLine& line) {
  RequireArguments(line, 1);
  const Experiment experiment = LoadExperimentOf(line);
  std::optional<Hardware> hardware;
  if (!line.hardware.empty()) hardware = LoadHardware(line.hardware);
  Estimator estimator(hardware);
  std::vector<Forecast> forecasts;  // of the distinct runs, in plan order
  for (const PlannedRun* run : DistinctRuns(experiment)) {
    forecasts.push_back({run, LookAtRun(RunFolder(line.out, experiment, run->id), run->config),
                         estimator.Of(run->config)});
  }
  if (line.json) {
    PrintJson(ToJson(experiment, forecasts));
  } else {
    PrintPlan(line, experiment, forecasts);
    PrintSummary(line, experiment, forecasts, hardware);
    TellUnused(experiment);
  }
  TellChanged(experiment, OutcomesOf(forecasts));
  return TellRefused(ToDo(experiment, forecasts, line), &estimator) ? 2 : 0;
}

}  // namespace roundlab
