#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/model/catalogue.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/print_json.h"
#include "experiments/cli/print_table.h"
#include "experiments/cost/estimate.h"
#include "experiments/run/json_number.h"
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

/// How many runs there are on one model, and the memory that the largest takes. Their time would
/// need a look at this machine: `plan` tells it.
std::string Needs(const Experiment& experiment, const std::string& model) {
  Estimator estimator(std::nullopt);
  std::set<std::string> seen;
  double gib = 0;
  for (const PlannedRun& run : experiment.runs) {
    if (run.config.model.path != model || !seen.insert(run.id).second) continue;
    gib = std::max(gib, estimator.PeakGib(run.config).value_or(0));
  }
  std::string text = "  " + std::to_string(seen.size()) + " runs";
  if (gib > 0) text += ", about " + FormatNumber(gib) + " GiB of memory";
  return text + "\n";
}

void TellMissing(const CommandLine& line, const Experiment& experiment,
                 const std::map<std::string, std::string>& missing) {
  for (const auto& [model, reason] : missing) {
    const std::string out = line.out == CommandLine().out ? "" : " --out '" + line.out + "'";
    const std::string only = line.arguments[0] + OnlyOf(experiment, model) + out;
    std::printf("\nNot run: %s\n  then: roundlab reproduce %s\n  time: roundlab plan %s\n%s",
                reason.c_str(), only.c_str(), only.c_str(), Needs(experiment, model).c_str());
  }
}

json ToJson(const TargetResult& result) {
  const bool measured = IsMeasured(result);
  const auto number = [](double value, bool there) {
    return there ? NumberToJson(value) : json(nullptr);
  };
  return {{"row", result.cell->row},
          {"column", result.cell->column},
          {"published", number(result.published, result.published == result.published)},
          {"ours", number(result.ours, measured)},
          {"tolerance", number(result.tolerance, measured)},
          {"verdict", VerdictName(result.verdict)},
          {"note", result.cell->absent}};
}

void PrintResults(const CommandLine& line, const Experiment& experiment,
                  const std::vector<TargetResult>& results) {
  if (line.json) {
    json figures = json::array();
    for (const TargetResult& result : results) figures.push_back(ToJson(result));
    PrintJson({{"experiment", experiment.name}, {"figures", std::move(figures)}});
    return;
  }
  const bool for_programs = line.format == TableFormat::kCsv;
  const std::string text = for_programs ? MakeLongTargetTable(experiment, results).ToCsv()
                                        : TableText(line, MakeTargetTable(experiment, results));
  std::fputs(text.c_str(), stdout);
}

}  // namespace

int ReproduceCommand(const CommandLine& line) {
  RequireArguments(line, 1);
  CheckRunLine(line);
  const Experiment experiment = LoadExperimentOf(line);
  if (!experiment.targets) throw Error(line.arguments[0] + ": has no section 'targets'");
  const auto before = CompareWithTargets(experiment, {});
  if (std::all_of(before.begin(), before.end(), [](const TargetResult& r) {
        return r.verdict == TargetVerdict::kNotPlanned || r.verdict == TargetVerdict::kAbsent;
      })) {
    throw Error(line.arguments[0] + ": none of the published figures is of a run that is left" +
                (line.only.empty() ? "" : " (--only)"));
  }
  const auto missing = MissingModels(experiment);
  Experiment here = experiment;
  std::erase_if(here.runs,
                [&](const PlannedRun& run) { return missing.count(run.config.model.path) != 0; });
  int code = 0;
  if (!here.runs.empty()) {
    const Experiment unfinished = Unfinished(here, line);
    CheckRuns(line, unfinished);
    code = TellProblems(RunExperiment(line, here));
  }
  const auto results = CompareWithTargets(experiment, LookAtAll(experiment, line.out));
  PrintResults(line, experiment, results);
  if (!line.json && line.format.value_or(TableFormat::kMarkdown) == TableFormat::kMarkdown)
    TellMissing(line, experiment, missing);
  const bool outside = std::any_of(results.begin(), results.end(), [](const TargetResult& r) {
    return r.verdict == TargetVerdict::kOutside;
  });
  return std::max(code, outside ? 1 : 0);
}

}  // namespace roundlab
