#include "core/model/catalogue.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "core/base/error.h"
#include "core/base/folders.h"
#include "core/base/suggest.h"
#include "core/config/value_fields.h"
#include "core/model/shapes.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBuiltin = "builtin:";
constexpr const char* kLab = "builtin:lab";

struct ModelFields : ModelEntry {
  void Fields(FieldVisitor& f) {
    f.String("name", &name, "the name configs use", Presence::kRequired);
    f.String("licence", &licence, "licence of the weights");
    f.String("get", &get, "how to get it");
    StringList paths_field(&paths);
    f.Value("paths", paths_field, "under ROUNDLAB_MODELS", Presence::kRequired);
    f.String("shape", &shape, "its sizes, for estimates: a name of NamedShapes()");
  }
  std::string licence;
};

struct ModelsOfCatalogue {
  std::vector<ModelFields> models;
  void Fields(FieldVisitor& f) {
    ListOf<ModelFields> field(&models);
    f.Value("models", field, "checkpoints");
  }
};

std::vector<std::string> ModelNames() {
  std::vector<std::string> names;
  for (const ModelEntry& entry : ModelCatalogue()) names.push_back(entry.name);
  return names;
}

}  // namespace

const std::vector<ModelEntry>& ModelCatalogue() {
  static const std::vector<ModelEntry> kEntries = [] {
    ModelsOfCatalogue read;
    std::vector<Diagnostic> diagnostics;
    ReadFields(LoadYaml(CatalogueFile()), "", FieldsOf(&read), &diagnostics, {"data"});
    if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
    return std::vector<ModelEntry>(read.models.begin(), read.models.end());
  }();
  return kEntries;
}

std::string ModelNameProblem(const std::string& name_or_path) {
  const std::string& name = name_or_path;
  if (name.starts_with(kRandomModel)) return ShapeProblem(name.substr(std::strlen(kRandomModel)));
  if (name.starts_with(kBuiltin)) {
    return name == kLab
               ? ""
               : "model: unknown built-in model '" + name + "'" + SuggestionSuffix(name, {kLab});
  }
  std::error_code none;
  if (name.find('/') != std::string::npos || fs::exists(name, none)) return "";
  std::vector<std::string> names = ModelNames();
  if (std::find(names.begin(), names.end(), name) != names.end()) return "";
  if (kBuiltin + name == kLab)
    return "model: unknown name '" + name + "'; did you mean '" + kLab + "'?";
  names.emplace_back(kLab);
  return "model: unknown name '" + name + "'" + SuggestionSuffix(name, names) +
         "; no such file or folder either";
}

std::string ResolveModel(const std::string& name_or_path) {
  const std::string problem = ModelNameProblem(name_or_path);
  if (!problem.empty()) throw Error(problem);
  if (name_or_path == kLab) return ConfigFolder() + "/lab/model";
  if (name_or_path.find('/') != std::string::npos) return name_or_path;
  for (const ModelEntry& entry : ModelCatalogue()) {
    if (entry.name != name_or_path) continue;
    for (const std::string& path : entry.paths) {
      const std::string found = ModelFolder() + "/" + path;
      if (fs::exists(found)) return found;
    }
    throw Error("model '" + entry.name + "' is not at " + ModelFolder() + "/" +
                entry.paths.front() + "; " + entry.get);
  }
  return name_or_path;
}

bool ModelIsThere(const std::string& name_or_path) {
  try {
    return fs::exists(ResolveModel(name_or_path));
  } catch (const Error&) {
    return false;
  }
}

}  // namespace roundlab
