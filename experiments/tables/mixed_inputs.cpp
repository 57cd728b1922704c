#include "experiments/tables/mixed_inputs.h"

#include <map>

namespace roundlab {
namespace {

/// What was read -> its hash -> the first run that read it.
using Seen = std::map<std::string, std::map<std::string, std::string>>;

template <class Options>
std::string Text(const Options& options) {
  Options copy = options;
  return WriteFields(FieldsOf(&copy));
}

void Add(const RunResult& result, const std::string& what, const std::string& key, Seen* seen) {
  const auto found = result.provenance.find(key);
  if (found != result.provenance.end()) (*seen)[what].emplace(found->second, result.id);
}

/// By what a user calls it, a line break, and all that decides it in a config.
void AddRun(const RunConfig& config, const RunResult& result, Seen* seen) {
  const std::string& model = config.model.path;
  // What a learned rotation made of the weights is the run's own.
  if (!config.LearnsRotation()) {
    Add(result, "model " + model + "\n" + Text(config.model), "model_sha256", seen);
  }
  if (config.calibration && config.Needs().tokens) {
    Add(result, "calibration text\n" + model + "\n" + Text(*config.calibration),
        "calibration_sha256", seen);
  }
  for (const EvaluatorRecipe& recipe : config.eval) {
    for (const std::string& name : recipe.make()->Names()) {
      const std::string what = "text of " + name + "\n" + model + "\n" + recipe.canonical;
      for (const char* key : {"tokens_sha256", "documents_sha256"}) {
        Add(result, what + key, "eval/" + name + "/" + key, seen);
      }
    }
  }
}

}  // namespace

std::vector<std::string> MixedInputs(const Experiment& experiment,
                                     const std::vector<RunOutcome>& outcomes) {
  const OutcomeIndex index = ById(outcomes);
  Seen seen;
  for (const PlannedRun* run : DistinctRuns(experiment)) {
    const RunOutcome* const outcome = FindOutcome(index, run->id);
    if (outcome == nullptr || outcome->state != RunState::kDone) continue;
    AddRun(run->config, outcome->result, &seen);
  }
  std::vector<std::string> lines;
  for (const auto& [what, hashes] : seen) {
    if (hashes.size() < 2) continue;
    std::string line = what.substr(0, what.find('\n')) + " has changed between complete runs:";
    for (const auto& [hash, id] : hashes) {
      line += (line.back() == ':' ? " " : ", ") + hash.substr(0, 16) + " (run " + id + ")";
    }
    lines.push_back(line + "; remove the folders of those that are out of date");
  }
  return lines;
}

}  // namespace roundlab
