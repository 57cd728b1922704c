#include "core/text/data/catalogue.h"

#include "core/base/error.h"
#include "core/base/folders.h"
#include "core/base/suggest.h"
#include "core/config/fields.h"
#include "core/config/value_fields.h"

namespace roundlab {
namespace {

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

struct DataOfCatalogue {
  std::vector<DataFields> data;
  void Fields(FieldVisitor& f) {
    ListOf<DataFields> data_field(&data);
    f.Value("data", data_field, "texts and task rows");
  }
};

std::vector<std::string> DataNames() {
  std::vector<std::string> names;
  for (const DataEntry& entry : DataCatalogue()) names.push_back(entry.name);
  return names;
}

}  // namespace

const std::vector<DataEntry>& DataCatalogue() {
  static const std::vector<DataEntry> kEntries = [] {
    DataOfCatalogue read;
    std::vector<Diagnostic> diagnostics;
    ReadFields(LoadYaml(CatalogueFile()), "", FieldsOf(&read), &diagnostics, {"models"});
    if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
    for (DataFields& entry : read.data) {
      entry.files.assign(entry.parsed.begin(), entry.parsed.end());
    }
    return std::vector<DataEntry>(read.data.begin(), read.data.end());
  }();
  return kEntries;
}

const DataEntry& FindData(const std::string& name) {
  for (const DataEntry& entry : DataCatalogue()) {
    if (entry.name == name) return entry;
  }
  throw Error("unknown data '" + name + "'" + SuggestionSuffix(name, DataNames()) +
              "; a file is given as {path: FILE}");
}

}  // namespace roundlab
