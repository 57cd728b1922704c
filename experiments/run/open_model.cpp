#include "experiments/run/open_model.h"

#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "core/base/error.h"
#include "core/base/folders.h"
#include "core/config/fields.h"
#include "core/model/catalogue.h"
#include "core/model/loader.h"
#include "core/model/random_source.h"
#include "experiments/run/calibration_cache.h"
#include "rounding/rounded_source.h"
#include "rounding/weights_file.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kFiles = "model_files_sha256";  // a key of what it says, but for early runs
constexpr const char* kRotate = "rotate";             // a key of what it says of itself
constexpr const char* kRotation = "rotate.turn";      // a learned matrix among its tensors

const std::string& About(const std::map<std::string, std::string>& about, const std::string& file,
                         const char* key) {
  const auto found = about.find(key);
  if (found == about.end()) {
    throw Error(file + ": does not say its '" + key + "': it was not left by a run");
  }
  return found->second;
}

/// Throws Error for a quantizer of something that the model has not.
void CheckQuantizers(const StoredWeights& stored, const ModelDescription& description,
                     const std::string& file) {
  std::set<std::string> known;
  for (std::int64_t i = 0; i < description.layers; ++i) {
    for (const std::string& name : description.LinearNames(i)) known.insert(name);
    for (const std::string& name : CacheNames(i)) known.insert(name);
  }
  for (const auto& [name, quantizer] : stored.quantizers) {
    if (known.count(name) > 0) continue;
    throw Error(file + ": quantizer '" + name + "' is of nothing that its model has");
  }
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
  CheckQuantizers(stored, description, file);
  for (auto& [name, q] : stored.quantizers) model.AddQuantizer(name, std::move(q));
  return model;
}

std::shared_ptr<const ModelSource> Rotated(const std::shared_ptr<const ModelSource>& source,
                                           const std::optional<RotationOptions>& rotate,
                                           const at::Tensor& rotation) {
  if (!rotate) return source;
  if (!rotation.defined()) return std::make_shared<RotatedSource>(source, *rotate);
  return std::make_shared<RotatedSource>(source, *rotate, rotation);
}

/// How the model was turned that a run has quantized.
std::optional<RotationOptions> RotationOf(const std::map<std::string, std::string>& about,
                                          const std::string& file) {
  const auto text = about.find(kRotate);
  if (text == about.end()) return std::nullopt;
  RotationOptions options;
  std::vector<Diagnostic> problems;
  ReadFields(ParseYaml(text->second, file), kRotate, FieldsOf(&options), &problems);
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return options;
}

/// The matrix that it was turned by, where that was learned, taken out of `stored`.
at::Tensor LearnedRotationOf(const std::optional<RotationOptions>& rotate, StoredWeights* stored,
                             const std::string& model, const std::string& file) {
  if (!rotate || !rotate->learn) return {};
  const std::int64_t hidden = DescribeModel(model).hidden;
  const auto found = stored->tensors.extract(kRotation);
  if (!found.empty() && found.mapped().sizes() == at::IntArrayRef({hidden, hidden})) {
    return found.mapped();
  }
  throw Error(file + ": its tensor '" + kRotation +
              "' is missing or of another size than its model");
}

/// Whether `path` is the folder of a run.
bool IsRunFolder(const std::string& path) { return fs::exists(path + "/run.json"); }

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

std::string ThenAndNow(const std::string& then, const std::string& now) {
  return " (sha256 " + then.substr(0, 16) + " then, " + now.substr(0, 16) + " now)";
}

/// Throws Error where the model's config.json, say, has changed since the run rounded it.
void CheckFiles(const std::map<std::string, std::string>& about, const std::string& file,
                const OpenedModel& opened) {
  const auto then = about.find(kFiles);
  if (then == about.end()) return;
  const std::string now = ModelFilesSha256(opened.tokenizer);
  if (now == then->second) return;
  throw Error(file + ": was made with another config.json or tokenizer than '" + opened.tokenizer +
              "' has now" + ThenAndNow(then->second, now));
}

OpenedModel OpenRun(const std::string& folder, const at::Device& device) {
  const std::string file = WeightsOf(folder);
  StoredWeights stored = LoadWeights(file);
  const std::string name = About(stored.about, file, "model");
  const std::string then = About(stored.about, file, "model_sha256");
  const std::string codes = About(stored.about, file, "codes_sha256");
  const auto rotate = RotationOf(stored.about, file);
  const at::Tensor rotation = LearnedRotationOf(rotate, &stored, name, file);
  OpenedModel opened = OpenModel(name, rotate, rotation, device);
  const std::string now = opened.model->Fingerprint();
  if (now != then) {
    throw Error(file + ": was made of another model than '" + name + "' is now" +
                ThenAndNow(then, now));
  }
  CheckFiles(stored.about, file, opened);
  QuantizedModel model = Ordered(std::move(stored), opened.model->description(), file);
  if (model.CodesSha256() != codes) throw Error(file + ": is damaged: its codes_sha256 differs");
  opened.model = std::make_shared<RoundedSource>(opened.model, std::move(model));
  return opened;
}

}  // namespace

OpenedModel OpenModel(const std::string& name, const std::optional<RotationOptions>& rotate,
                      const at::Tensor& rotation, const at::Device& device) {
  if (name.starts_with(kRandomModel)) {
    OpenedModel random;
    // What is turned is turned on the CPU.
    random.original = std::make_shared<RandomSource>(name.substr(std::strlen(kRandomModel)), 0,
                                                     rotate ? at::Device(at::kCPU) : device);
    random.model = Rotated(random.original, rotate, rotation);
    random.tokenizer = TokenizerOf(name);
    return random;
  }
  const std::string path = ResolveModel(name);
  if (IsRunFolder(path)) {
    if (!rotate) return OpenRun(path, device);
    throw Error(path + ": what a run has quantized can't be turned (model.rotate)");
  }
  OpenedModel opened;
  opened.original = std::make_shared<ModelFiles>(path);
  opened.model = Rotated(opened.original, rotate, rotation);
  opened.tokenizer = path;
  return opened;
}

bool IsRun(const std::string& name) {
  return !name.starts_with(kRandomModel) && IsRunFolder(ResolveModel(name));
}

std::string TokenizerOf(const std::string& name) {
  if (name.starts_with(kRandomModel)) return ConfigFolder() + "/lab/model";  // any ids will do
  const std::string path = ResolveModel(name);
  return IsRunFolder(path) ? TokenizerOf(RoundedBy(path)) : path;
}

ModelDescription DescribeModel(const std::string& name) {
  if (!name.starts_with(kRandomModel)) {
    const std::string path = ResolveModel(name);
    if (IsRunFolder(path)) return DescribeModel(RoundedBy(path));
  }
  return OpenModel(name).model->description();
}

void LeaveWeights(const std::string& folder, const QuantizedModel& rounded, RoundedFrom from) {
  StoredWeights stored;
  stored.layers = rounded.layers();
  stored.tensors = rounded.tensors();
  stored.quantizers = rounded.quantizers();
  stored.about = {{"format", "roundlab weights 1"},
                  {"model", from.name},
                  {"model_sha256", from.fingerprint},
                  {kFiles, from.files_sha256},
                  {"codes_sha256", rounded.CodesSha256()}};
  if (from.rotate) {
    const std::string text = WriteFields(FieldsOf(&*from.rotate));
    stored.about[kRotate] = text.empty() ? "{}" : text;
  }
  if (from.rotation.defined())
    stored.tensors[kRotation] = from.rotation.to(at::kFloat).contiguous();
  SaveWeights(folder + "/" + kWeights, stored);
}

}  // namespace roundlab
