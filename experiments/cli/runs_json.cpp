#include "experiments/cli/runs_json.h"

#include <map>
#include <nlohmann/json.hpp>

#include "experiments/run/json_number.h"

namespace roundlab {

using nlohmann::json;

json RunsJson(const Experiment& experiment, const std::vector<RunOutcome>& outcomes) {
  std::map<std::string, json> points;
  for (const PlannedRun& run : experiment.runs) {
    json point = run.labels;
    point["seed"] = std::to_string(run.seed);
    points[run.id].push_back(std::move(point));
  }
  json runs = json::array();
  for (const RunOutcome& outcome : outcomes) {
    json metrics = json::object();
    for (const auto& [name, value] : outcome.result.metrics) metrics[name] = NumberToJson(value);
    json entry = {{"id", outcome.id},
                  {"folder", outcome.folder},
                  {"status", StateName(outcome)},
                  {"points", points[outcome.id]},
                  {"metrics", std::move(metrics)}};
    if (!outcome.reason.empty()) entry["reason"] = outcome.reason;
    runs.push_back(std::move(entry));
  }
  return runs;
}

}  // namespace roundlab
