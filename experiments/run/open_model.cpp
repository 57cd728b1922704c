#include "experiments/run/open_model.h"

#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "core/base/error.h"
#include "core/base/folders.h"
#include "core/model/catalogue.h"
#include "core/model/loader.h"
#include "core/model/random_source.h"
#include "rounding/rounded_source.h"
#include "rounding/weights_file.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRandom = "random:";
constexpr const char* kWeights = "weights.safetensors";

const std::string& About(const std::map<std::string, std::string>& about, const std::string& file,
                         const char* key) {
  const auto found = about.find(key);
  if (found == about.end()) {
    throw Error(file + ": does not say its '" + key + "': it was not left by a run");
  }
  return found->second;
}

/// In the order of the model's layers.
QuantizedModel Ordered(StoredWeights stored, const ModelDescription& description,
                       const std::string& file) {
  QuantizedModel model;
  for (std::int64_t i = 0; i < description.layers; ++i) {
    for (const std::string& name : description.LinearNames(i)) {
      const auto found = stored.layers.find(name);
      if (found == stored.layers.end()) continue;
      model.Add(name, std::move(found->second));
      stored.layers.erase(found);
    }
  }
  if (!stored.layers.empty()) {
    throw Error(file + ": layer '" + stored.layers.begin()->first + "' is not one of its model");
  }
  for (auto& [name, tensor] : stored.tensors) model.AddTensor(name, std::move(tensor));
  return model;
}

/// Whether `path` is the folder of a run.
bool IsRun(const std::string& path) { return fs::exists(path + "/run.json"); }

/// The weights that a run has left in its folder.
std::string WeightsOf(const std::string& folder) {
  const std::string file = folder + "/" + kWeights;
  if (fs::exists(file)) return file;
  throw Error(folder + ": this run has left no " + kWeights +
              " (it is not complete, had keep_weights: false, or rounded nothing)");
}

/// The model that the run in this folder has rounded.
std::string RoundedBy(const std::string& folder) {
  const std::string file = WeightsOf(folder);
  return About(LoadAbout(file), file, "model");
}

OpenedModel OpenRun(const std::string& folder) {
  const std::string file = WeightsOf(folder);
  StoredWeights stored = LoadWeights(file);
  const std::string name = About(stored.about, file, "model");
  const std::string then = About(stored.about, file, "model_sha256");
  const std::string codes = About(stored.about, file, "codes_sha256");
  OpenedModel opened = OpenModel(name);
  const std::string now = opened.model->Fingerprint();
  if (now != then) {
    throw Error(file + ": was made of another model than '" + name + "' is now (sha256 " +
                then.substr(0, 16) + " then, " + now.substr(0, 16) + " now)");
  }
  QuantizedModel model = Ordered(std::move(stored), opened.model->description(), file);
  if (model.CodesSha256() != codes) throw Error(file + ": is damaged: its codes_sha256 differs");
  opened.model = std::make_shared<RoundedSource>(opened.model, std::move(model));
  return opened;
}

}  // namespace

OpenedModel OpenModel(const std::string& name) {
  if (name.starts_with(kRandom)) {
    OpenedModel random;
    random.original = std::make_shared<RandomSource>(name.substr(std::strlen(kRandom)), 0);
    random.model = random.original;
    random.tokenizer = TokenizerOf(name);
    return random;
  }
  const std::string path = ResolveModel(name);
  if (IsRun(path)) return OpenRun(path);
  OpenedModel opened;
  opened.original = std::make_shared<ModelFiles>(path);
  opened.model = opened.original;
  opened.tokenizer = path;
  return opened;
}

std::string TokenizerOf(const std::string& name) {
  if (name.starts_with(kRandom)) return ConfigFolder() + "/lab/model";  // any ids will do
  const std::string path = ResolveModel(name);
  return IsRun(path) ? TokenizerOf(RoundedBy(path)) : path;
}

ModelDescription DescribeModel(const std::string& name) {
  if (!name.starts_with(kRandom)) {
    const std::string path = ResolveModel(name);
    if (IsRun(path)) return DescribeModel(RoundedBy(path));
  }
  return OpenModel(name).model->description();
}

void LeaveWeights(const std::string& folder, const QuantizedModel& rounded, const std::string& name,
                  const std::string& fingerprint) {
  StoredWeights stored;
  stored.layers = rounded.layers();
  stored.tensors = rounded.tensors();
  stored.about = {{"format", "roundlab weights 1"},
                  {"model", name},
                  {"model_sha256", fingerprint},
                  {"codes_sha256", rounded.CodesSha256()}};
  SaveWeights(folder + "/" + kWeights, stored);
}

}  // namespace roundlab
