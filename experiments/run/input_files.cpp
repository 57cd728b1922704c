#include "experiments/run/input_files.h"

#include <filesystem>
#include <utility>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/model/catalogue.h"
#include "core/text/data/builtin_data.h"
#include "experiments/run/calibration_cache.h"
#include "experiments/run/open_model.h"
#include "experiments/run/plugins.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;
using Provenance = std::map<std::string, std::string>;

const std::string kOfFiles = "files/";

/// Each file is read once in a process.
const std::string& HashOf(const std::string& path) {
  static std::map<std::string, std::string> known;
  const auto [place, added] = known.try_emplace(path);
  if (added) place->second = Sha256OfFile(path);
  return place->second;
}

/// Whether a file, or one in a folder, was written later.
bool IsNewer(const fs::path& path, const fs::file_time_type& than) {
  std::error_code none;
  if (!fs::is_directory(path, none)) return fs::last_write_time(path, none) > than;
  for (const auto& entry : fs::directory_iterator(path, none)) {
    if (entry.is_regular_file(none) && entry.last_write_time(none) > than) return true;
  }
  return false;
}

fs::file_time_type Begun(const std::string& folder) {
  std::error_code none;
  return fs::last_write_time(folder + "/config.yaml", none);
}

/// Of a model's files beside its weights, and of these.
const std::pair<std::string, std::string>& HashesOfModel(const std::string& name) {
  static std::map<std::string, std::pair<std::string, std::string>> known;
  const auto [place, added] = known.try_emplace(name);
  if (added) {
    const OpenedModel opened = OpenModel(name);
    place->second = {ModelFilesSha256(opened.tokenizer), opened.model->Fingerprint()};
  }
  return place->second;
}

/// Runs, which say so when they are opened, and models that are made up have no such files.
bool ModelHasChanged(const ModelOptions& model, const Provenance& made_of,
                     const fs::file_time_type& since) {
  const std::string& name = model.path;
  if (name.starts_with(kRandomModel) || IsBuiltin(name) || !ModelIsThere(name)) return false;
  if (IsRun(name) || !IsNewer(ResolveModel(name), since)) return false;
  const auto differs = [&](const char* key, const std::string& now) {
    const auto then = made_of.find(key);
    return then != made_of.end() && then->second != now;
  };
  const auto& [files, weights] = HashesOfModel(name);
  // What is turned has a hash of its own.
  return differs("model_files_sha256", files) ||
         (!model.rotate && differs("model_sha256", weights));
}

std::vector<std::string> ChangedOf(const PlannedRun& run, const RunOutcome& outcome) {
  const Provenance& made_of = outcome.result.provenance;
  std::vector<std::string> changed = ChangedFiles(made_of, outcome.folder);
  try {
    if (ModelHasChanged(run.config.model, made_of, Begun(outcome.folder))) {
      changed.push_back("model " + run.config.model.path);
    }
  } catch (const Error&) {
    changed.push_back("model " + run.config.model.path);  // it can't be read now
  }
  if (const auto made_with = made_of.find("plugins"); made_with != made_of.end()) {
    for (std::string& file : ChangedPlugins(made_with->second)) changed.push_back(std::move(file));
  }
  return changed;
}

}  // namespace

Provenance HashedFiles(const std::vector<std::string>& files) {
  Provenance hashes;
  for (const std::string& file : files) {
    const std::string path = fs::absolute(file).lexically_normal().string();
    hashes[kOfFiles + path] = HashOf(path);
  }
  return hashes;
}

std::vector<std::string> InputFiles(const RunConfig& run) {
  std::vector<std::string> files;
  if (run.Needs().tokens) files = run.calibration->data.Files();
  for (const EvaluatorRecipe& recipe : run.eval) {
    for (std::string& file : recipe.make()->Files()) files.push_back(std::move(file));
  }
  return files;
}

std::vector<std::string> ChangedFiles(const Provenance& provenance, const std::string& folder) {
  std::vector<std::string> changed;
  for (auto found = provenance.lower_bound(kOfFiles);
       found != provenance.end() && found->first.starts_with(kOfFiles); ++found) {
    const std::string path = found->first.substr(kOfFiles.size());
    std::error_code none;
    if (!fs::is_regular_file(path, none) || !IsNewer(path, Begun(folder))) continue;
    if (HashOf(path) != found->second) changed.push_back(path);
  }
  return changed;
}

std::vector<std::string> ChangedInputs(const Experiment& experiment,
                                       const std::vector<RunOutcome>& outcomes) {
  const OutcomeIndex index = ById(outcomes);
  std::vector<std::string> lines;
  for (const PlannedRun* run : DistinctRuns(experiment)) {
    const RunOutcome* const outcome = FindOutcome(index, run->id);
    if (outcome == nullptr || outcome->state != RunState::kDone) continue;
    for (const std::string& what : ChangedOf(*run, *outcome)) {
      lines.push_back("run " + run->id + " was made by another " + what +
                      ": remove its folder to make it again");
    }
  }
  return lines;
}

}  // namespace roundlab
