#include "core/text/data/catalogue.h"

#include <cstdlib>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/config/fields.h"
#include "core/config/value_fields.h"
#include "core/text/data/builtin_data.h"

#ifndef ROUNDLAB_SOURCE_DIR
#define ROUNDLAB_SOURCE_DIR "."
#endif

namespace roundlab {
namespace {

namespace fs = std::filesystem;

std::string Environment(const char* name, const std::string& absent) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : absent;
}

struct FileFields : DataEntry::File {
  void Fields(FieldVisitor& f) {
    f.String("split", &split, "name of the split", Presence::kRequired);
    f.String("path", &path, "file under ROUNDLAB_DATA", Presence::kRequired);
    EnumField<DataFormat> format_field(&format, DataFormatNames());
    f.Value("format", format_field, "format of the file");
    f.String("field", &field, "jsonl: the document's field");
    f.String("labels", &labels, "rows: file of their labels");
  }
};

struct DataFields : DataEntry {
  void Fields(FieldVisitor& f) {
    f.String("name", &name, "the name configs use", Presence::kRequired);
    f.String("split", &split, "default split", Presence::kRequired);
    f.String("licence", &licence, "licence of the data");
    f.String("join", &join, "between documents");
    f.Bool("join_tokens", &join_tokens, "documents are encoded each by itself");
    f.String("get", &get, "how to get it");
    ListOf<FileFields> files_field(&parsed);
    f.Value("files", files_field, "its files", Presence::kRequired);
  }
  std::string licence;
  std::vector<FileFields> parsed;
};

struct ModelFields : ModelEntry {
  void Fields(FieldVisitor& f) {
    f.String("name", &name, "the name configs use", Presence::kRequired);
    f.String("licence", &licence, "licence of the weights");
    f.String("get", &get, "how to get it");
    StringList paths_field(&paths);
    f.Value("paths", paths_field, "under ROUNDLAB_MODELS", Presence::kRequired);
    OptionalSection<ModelShape> shape_field(&shape);
    f.Value("shape", shape_field, "its sizes, for estimates");
  }
  std::string licence;
};

struct Catalogue {
  std::vector<DataFields> data;
  std::vector<ModelFields> models;
  void Fields(FieldVisitor& f) {
    ListOf<DataFields> data_field(&data);
    f.Value("data", data_field, "texts and task rows");
    ListOf<ModelFields> model_field(&models);
    f.Value("models", model_field, "checkpoints");
  }
};

struct Entries {
  std::vector<DataEntry> data;
  std::vector<ModelEntry> models;
};

const Entries& Read() {
  static const Entries kEntries = [] {
    const std::string file = Environment("ROUNDLAB_CATALOGUE", ConfigFolder() + "/catalogue.yaml");
    Catalogue catalogue;
    std::vector<Diagnostic> diagnostics;
    ReadFields(LoadYaml(file), "", FieldsOf(&catalogue), &diagnostics);
    if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
    Entries read;
    for (DataFields& entry : catalogue.data) {
      entry.files.assign(entry.parsed.begin(), entry.parsed.end());
      read.data.push_back(entry);
    }
    read.models.assign(catalogue.models.begin(), catalogue.models.end());
    return read;
  }();
  return kEntries;
}

template <class Entry>
std::vector<std::string> EntryNames(const std::vector<Entry>& entries) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.push_back(entry.name);
  return names;
}

}  // namespace

const std::vector<DataEntry>& DataCatalogue() { return Read().data; }
void ModelShape::Fields(FieldVisitor& f) {
  f.Int("layers", &layers, AtLeast(1), "decoder blocks", Presence::kRequired);
  f.Int("hidden", &hidden, AtLeast(1), "width", Presence::kRequired);
  f.Int("intermediate", &intermediate, AtLeast(1), "width of the MLP", Presence::kRequired);
  f.Int("heads", &heads, AtLeast(1), "attention heads", Presence::kRequired);
  f.Int("kv_heads", &kv_heads, AtLeast(1), "heads of keys and values", Presence::kRequired);
  f.Int("vocab", &vocab, AtLeast(1), "tokens", Presence::kRequired);
}

const std::vector<ModelEntry>& ModelCatalogue() { return Read().models; }

const DataEntry& FindData(const std::string& name) {
  for (const DataEntry& entry : DataCatalogue()) {
    if (entry.name == name) return entry;
  }
  throw Error("unknown data '" + name + "'" + SuggestionSuffix(name, EntryNames(DataCatalogue())) +
              "; a file is given as {path: FILE}");
}

std::string ConfigFolder() { return ROUNDLAB_SOURCE_DIR "/configs"; }
std::string DataFolder() { return Environment("ROUNDLAB_DATA", "data"); }
std::string ModelFolder() { return Environment("ROUNDLAB_MODELS", "models"); }

std::string ResolveModel(const std::string& name_or_path) {
  if (name_or_path == "builtin:lab") return ConfigFolder() + "/lab/model";
  if (IsBuiltin(name_or_path)) {
    throw Error("model: unknown built-in model '" + name_or_path + "'" +
                SuggestionSuffix(name_or_path, {"builtin:lab"}));
  }
  for (const ModelEntry& entry : ModelCatalogue()) {
    if (entry.name != name_or_path) continue;
    for (const std::string& path : entry.paths) {
      const std::string found = ModelFolder() + "/" + path;
      if (fs::exists(found)) return found;
    }
    throw Error("model '" + entry.name + "' is not at " + ModelFolder() + "/" +
                entry.paths.front() + "; " + entry.get);
  }
  if (fs::exists(name_or_path) || name_or_path.find('/') != std::string::npos) return name_or_path;
  throw Error("model: unknown name '" + name_or_path + "'" +
              SuggestionSuffix(name_or_path, EntryNames(ModelCatalogue())) +
              "; no such file or folder either");
}

}  // namespace roundlab
