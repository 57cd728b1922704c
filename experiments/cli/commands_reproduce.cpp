#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/text/data/catalogue.h"
#include "experiments/cli/commands.h"
#include "experiments/cost/estimate.h"
#include "experiments/run/preflight.h"
#include "experiments/tables/cell.h"
#include "experiments/tables/reproduce.h"

namespace roundlab {
namespace {

using nlohmann::json;

/// Models that are not on this machine, with what the catalogue says of each.
std::map<std::string, std::string> MissingModels(const Experiment& experiment) {
  std::map<std::string, std::string> missing;
  std::set<std::string> tried;
  for (const PlannedRun& run : experiment.runs) {
    const std::string& model = run.config.model.path;
    if (!tried.insert(model).second) continue;
    try {
      ResolveModel(model);
    } catch (const Error& e) {
      missing.emplace(model, e.what());
    }
  }
  return missing;
}

/// Labels of the runs on one model, of the axis that names it: "model=LLaMA-V2-7B"; "" where no
/// axis does.
std::string OnlyOf(const Experiment& experiment, const std::string& model) {
  for (const Axis& axis : experiment.axes) {
    std::set<std::string> with;
    std::set<std::string> without;
    for (const PlannedRun& run : experiment.runs) {
      (run.config.model.path == model ? with : without).insert(run.labels.at(axis.name));
    }
    const bool apart = std::none_of(with.begin(), with.end(), [&](const std::string& label) {
      return without.count(label) != 0;
    });
    if (!apart || without.empty()) continue;
    std::string labels;
    for (const std::string& label : with) labels += (labels.empty() ? "" : ",") + label;
    return " --only '" + axis.name + "=" + labels + "'";
  }
  return "";
}

/// Time and memory of the runs on one model, on this machine.
std::string Needs(const Experiment& experiment, const std::string& model) {
  Estimator estimator(std::nullopt);
  std::set<std::string> seen;
  double seconds = 0;
  double gib = 0;
  bool evaluation = true;
  for (const PlannedRun& run : experiment.runs) {
    if (run.config.model.path != model || !seen.insert(run.id).second) continue;
    const auto estimate = estimator.Of(run.config);
    if (!estimate) return "";
    seconds += estimate->seconds;
    gib = std::max(gib, estimate->peak_gib);
    evaluation = evaluation && estimate->evaluation;
  }
  return "  " + std::to_string(seen.size()) + " runs, on this machine about " +
         FormatDuration(seconds) + (evaluation ? "" : " and the evaluation") + " and " +
         FormatNumber(gib) + " GiB of memory\n";
}

void TellMissing(const CommandLine& line, const Experiment& experiment,
                 const std::map<std::string, std::string>& missing) {
  for (const auto& [model, reason] : missing) {
    std::printf("\nNot run: %s\n  then: roundlab reproduce %s%s\n%s", reason.c_str(),
                line.arguments[0].c_str(), OnlyOf(experiment, model).c_str(),
                Needs(experiment, model).c_str());
  }
}

json ToJson(const TargetResult& result) {
  const auto number = [](double value) { return value == value ? json(value) : json(nullptr); };
  return {{"row", result.cell->row},
          {"column", result.cell->column},
          {"published", number(result.published)},
          {"ours", number(result.ours)},
          {"tolerance", number(result.tolerance)},
          {"verdict", VerdictName(result.verdict)},
          {"note", result.cell->absent}};
}

void PrintResults(const CommandLine& line, const Experiment& experiment,
                  const std::vector<TargetResult>& results) {
  std::string text;
  if (line.json) {
    json figures = json::array();
    for (const TargetResult& result : results) figures.push_back(ToJson(result));
    text = json{{"experiment", experiment.name}, {"figures", std::move(figures)}}.dump(2) + "\n";
  } else if (line.format == "csv") {
    text = MakeLongTargetTable(experiment, results).ToCsv();
  } else {
    text = MakeTargetTable(experiment, results).To(line.format);
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace

int ReproduceCommand(const CommandLine& line) {
  RequireArguments(line, 1,
                   "FILE [--set KEY=VALUE] [--only AXIS=LABEL] [--out DIR] [--jobs N] "
                   "[--retry-failed] [--format FORMAT] [--json] [--quiet]");
  CheckRunLine(line);
  const Experiment experiment = LoadExperimentOf(line);
  if (!experiment.targets) throw Error(line.arguments[0] + ": has no section 'targets'");
  const auto missing = MissingModels(experiment);
  Experiment here = experiment;
  std::erase_if(here.runs,
                [&](const PlannedRun& run) { return missing.count(run.config.model.path) != 0; });
  int code = 0;
  if (!here.runs.empty()) {
    CheckInputs(Unfinished(here, line));
    code = TellProblems(RunExperiment(line, here));
  }
  const auto results = CompareWithTargets(experiment, LookAtAll(experiment, line.out));
  PrintResults(line, experiment, results);
  if (!line.json && line.format == "markdown") TellMissing(line, experiment, missing);
  const bool outside = std::any_of(results.begin(), results.end(), [](const TargetResult& r) {
    return r.verdict == TargetVerdict::kOutside;
  });
  return std::max(code, outside ? 1 : 0);
}

}  // namespace roundlab
