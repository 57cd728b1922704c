#include "core/model/catalogue.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/folders.h"
#include "core/base/suggest.h"
#include "core/config/value_fields.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBuiltin = "builtin:";

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

std::string ResolveModel(const std::string& name_or_path) {
  if (name_or_path == "builtin:lab") return ConfigFolder() + "/lab/model";
  if (name_or_path.rfind(kBuiltin, 0) == 0) {
    throw Error("model: unknown built-in model '" + name_or_path + "'" +
                SuggestionSuffix(name_or_path, {"builtin:lab"}));
  }
  if (name_or_path.find('/') != std::string::npos) return name_or_path;  // no name has one
  for (const ModelEntry& entry : ModelCatalogue()) {
    if (entry.name != name_or_path) continue;
    for (const std::string& path : entry.paths) {
      const std::string found = ModelFolder() + "/" + path;
      if (fs::exists(found)) return found;
    }
    throw Error("model '" + entry.name + "' is not at " + ModelFolder() + "/" +
                entry.paths.front() + "; " + entry.get);
  }
  if (fs::exists(name_or_path)) return name_or_path;
  throw Error("model: unknown name '" + name_or_path + "'" +
              SuggestionSuffix(name_or_path, ModelNames()) + "; no such file or folder either");
}

}  // namespace roundlab
