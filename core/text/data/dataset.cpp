#include "core/text/data/dataset.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/folders.h"
#include "core/base/hash.h"
#include "core/base/suggest.h"
#include "core/base/utf8.h"
#include "core/text/data/builtin_data.h"
#include "core/text/data/catalogue.h"
#include "core/text/data/gzip_file.h"
#include "core/text/data/json_row.h"
#include "core/text/data/parquet.h"

namespace roundlab {
namespace {

std::string_view Strip(std::string_view text) {
  const char* const space = " \t\n\r\f\v";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

/// Splits into lines and hands each on until `take` says stop. Row numbers count from 1.
template <class Take>
void ForLines(std::string_view text, const Take& take) {
  std::int64_t row = 1;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (!take(text.substr(begin, end - begin), row++)) return;
    begin = end + 1;
  }
}

std::string JsonDocument(std::string_view line, const std::string& field,
                         const std::string& where) {
  const nlohmann::ordered_json row = ParseRow(line, where);
  if (!row.is_object()) throw Error(where + ": expected a JSON object");
  const auto found = row.find(field);
  if (found == row.end()) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : row.items()) keys.push_back(key);
    throw Error(where + ": no field '" + field + "'" + SuggestionSuffix(field, keys));
  }
  if (!found->is_string()) throw Error(where + ": field '" + field + "' is not a text");
  return found->get<std::string>();
}

std::vector<std::string> SplitAtMarkers(std::string_view text, std::int64_t most) {
  const std::string_view marker = "<|endoftext|>";
  std::vector<std::string> documents;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(marker, begin), text.size());
    const auto document = Strip(text.substr(begin, end - begin));
    if (!document.empty()) documents.emplace_back(document);
    if (most != 0 && static_cast<std::int64_t>(documents.size()) == most) break;
    begin = end + marker.size();
  }
  return documents;
}

std::vector<std::string> ParquetDocuments(const DataSource& source, std::int64_t most) {
  std::vector<std::string> documents;
  ForParquetRows(source.path, {source.field}, [&](std::string_view json, std::int64_t row) {
    documents.push_back(JsonDocument(json, source.field, source.path + ":" + std::to_string(row)));
    return most == 0 || static_cast<std::int64_t>(documents.size()) < most;
  });
  return documents;
}

std::vector<std::string> ReadDocuments(const DataSource& source, std::int64_t most) {
  const DataFormat format = FormatOf(source);
  if (IsBuiltin(source.path)) return BuiltinDocuments(source.path, most);
  if (format == DataFormat::kParquet) return ParquetDocuments(source, most);
  const std::string whole = ReadText(source.path);
  const std::string_view text = BehindMark(whole);
  std::vector<std::string> documents;
  if (format == DataFormat::kText) {
    if (!Strip(text).empty()) documents.emplace_back(text);
    return documents;
  }
  if (format == DataFormat::kEndOfText) return SplitAtMarkers(text, most);
  if (format == DataFormat::kJsonl && Strip(text).starts_with('[')) {
    throw Error(source.path + ": expected a JSON object a line, found an array");
  }
  ForLines(text, [&](std::string_view line, std::int64_t row) {
    const bool blank = Strip(line).empty();
    if (format == DataFormat::kWikitext) documents.push_back(blank ? "" : std::string(line) + "\n");
    if (format == DataFormat::kLines && !blank) documents.emplace_back(Strip(line));
    if (format == DataFormat::kJsonl && !blank) {
      documents.push_back(
          JsonDocument(line, source.field, source.path + ":" + std::to_string(row)));
    }
    return most == 0 || static_cast<std::int64_t>(documents.size()) < most;
  });
  return documents;
}

/// A key that has no say in what is read, and why, or "".
std::string IdleKeyProblem(const DataSource& source, DataUse use) {
  if (use == DataUse::kTexts && source.name.empty() && !source.labels.empty()) {
    return "labels goes with rows of a task, not with texts";
  }
  if (use == DataUse::kRows && source.field != DataSource().field) {
    return "field goes with texts: what of a row is read, a task's 'fields' say";
  }
  return "";
}

/// `where` may be no place.
[[noreturn]] void ThrowAt(const SourceLoc& where, const std::string& message) {
  if (where.file.empty()) throw Error(message);
  throw ConfigError({{where, message}});
}

}  // namespace

std::vector<std::string> DataSource::Files() const {
  if (!Given()) return {};
  const DataSource found = ResolveData(*this);
  std::vector<std::string> files;
  for (const std::string& file : {found.path, found.labels}) {
    if (file.empty() || IsBuiltin(file)) continue;
    if (!std::filesystem::is_directory(file)) {
      files.push_back(file);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(file)) {
      if (entry.is_regular_file()) files.push_back(entry.path().string());
    }
  }
  return files;
}

DataSource ResolveData(const DataSource& source) {
  if (source.name.empty()) {
    if (IsBuiltin(source.path) || std::filesystem::exists(source.path)) return source;
    ThrowAt(source.where, source.path + ": cannot open: No such file or directory");
  }
  const DataEntry& entry = FindData(source.name);
  const std::string split = source.split.empty() ? entry.split : source.split;
  std::vector<std::string> splits;
  std::string missing;
  for (const DataEntry::File& file : entry.files) {
    splits.push_back(file.split);
    if (file.split != split) continue;
    DataSource found = source;
    found.path = IsBuiltin(file.path) ? file.path : DataFolder() + "/" + file.path;
    found.format = file.format;
    if (!file.field.empty()) found.field = file.field;
    if (!file.labels.empty()) found.labels = DataFolder() + "/" + file.labels;
    if (IsBuiltin(found.path) || std::filesystem::exists(found.path)) return found;
    missing += (missing.empty() ? "" : " or ") + found.path;
  }
  if (!missing.empty()) {
    ThrowAt(source.where, "data '" + entry.name + "' is not at " + missing + "; " + entry.get);
  }
  ThrowAt(source.where, "data '" + entry.name + "': unknown split '" + split + "'" +
                            SuggestionSuffix(split, splits));
}

DataFormat FormatOf(const DataSource& file) {
  if (file.format != DataFormat::kAuto) return file.format;
  std::string name = HasGzipName(file.path) ? file.path.substr(0, file.path.size() - 3) : file.path;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.ends_with(".jsonl") || name.ends_with(".json")) return DataFormat::kJsonl;
  if (name.ends_with(".parquet")) return DataFormat::kParquet;
  return name.ends_with(".raw") ? DataFormat::kWikitext : DataFormat::kText;
}

const EnumNames<DataFormat>& DataFormatNames() {
  static const EnumNames<DataFormat> kNames = {
      {DataFormat::kAuto, "auto"},        {DataFormat::kEndOfText, "endoftext"},
      {DataFormat::kJsonl, "jsonl"},      {DataFormat::kLines, "lines"},
      {DataFormat::kParquet, "parquet"},  {DataFormat::kText, "text"},
      {DataFormat::kWikitext, "wikitext"}};
  return kNames;
}

void DataSource::Fields(FieldVisitor& f) {
  f.String("name", &name, "name of the catalogue");
  f.String("path", &path, "file; .gz is unpacked");
  EnumField<DataFormat> format_field(&format, DataFormatNames());
  f.Value("format", format_field, "format of the file");
  f.String("field", &field, "jsonl, parquet: the field that holds the document");
  f.String("split", &split, "split of a catalogue entry; none is its default");
  f.String("labels", &labels, "rows: file with one label a line, their field 'label'");
  f.Rule([this]() -> std::string {
    if (name.empty() == path.empty()) return "give either name or path";
    const DataSource as_it_is;
    if (name.empty()) {
      if (!split.empty()) return "split goes with name, not with path";
      const DataFormat read = FormatOf(*this);
      const bool fields = read == DataFormat::kJsonl || read == DataFormat::kParquet;
      if (fields || field == as_it_is.field) return "";
      return "field goes with formats jsonl and parquet; this one is " +
             EnumName(read, DataFormatNames());
    }
    const char* key = format != as_it_is.format ? "format"
                      : field != as_it_is.field ? "field"
                      : !labels.empty()         ? "labels"
                                                : nullptr;
    return key == nullptr ? "" : std::string(key) + " goes with path: a data set has its own";
  });
}

void DataField::Read(const ConfigNode& node, const std::string& path,
                     std::vector<Diagnostic>* diagnostics) {
  source_->where = node.WhereOf("path");
  if (node.kind == ConfigNode::Kind::kMapping) {
    const std::size_t before = diagnostics->size();
    ReadFields(node, path, FieldsOf(source_), diagnostics);
    const std::string problem = IdleKeyProblem(*source_, use_);
    if (diagnostics->size() == before && !problem.empty())
      diagnostics->push_back({node.WhereItBegins(problem), path + ": " + problem});
  } else if (node.kind != ConfigNode::Kind::kScalar) {
    diagnostics->push_back({node.where, path + ": expected a name or {path: FILE}, got " +
                                            std::string(node.KindName())});
  } else {
    source_->name = node.scalar;
  }
  if (source_->name.empty() || node.kind == ConfigNode::Kind::kNull) return;
  try {
    FindData(source_->name);
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& e) {
    diagnostics->push_back({node.where, path + ": " + e.what()});
  }
}

std::string DataField::Write() const {
  return source_->Given() ? WriteFields(FieldsOf(source_)) : "";
}

Dataset LoadDataset(const DataSource& source, std::int64_t most) {
  Dataset dataset;
  const DataSource file = ResolveData(source);
  if (!source.name.empty()) {
    const DataEntry& entry = FindData(source.name);
    dataset.join = entry.join;
    dataset.join_tokens = entry.join_tokens;
  } else {
    const DataFormat format = FormatOf(source);
    const bool rows = format == DataFormat::kWikitext || format == DataFormat::kJsonl ||
                      format == DataFormat::kParquet;
    dataset.join = rows ? "\n\n" : " ";
    dataset.join_tokens = IsBuiltin(source.path);
  }
  dataset.label = source.Label();
  dataset.file = file.path;
  dataset.format = FormatOf(file);
  dataset.documents = ReadDocuments(file, most);
  const bool all = most == 0 || static_cast<std::int64_t>(dataset.documents.size()) < most;
  const bool blank = std::all_of(dataset.documents.begin(), dataset.documents.end(),
                                 [](const std::string& text) { return Strip(text).empty(); });
  if (all && blank) throw Error(file.path + ": no text in this file");
  return dataset;
}

std::string ReadMaybeGzip(const std::string& path) {
  if (IsBuiltin(path)) return BuiltinRows(path);
  return HasGzipName(path) ? ReadGzip(path) : ReadFile(path);
}

std::string ReadUtf8(const std::string& path) {
  std::string text = ReadMaybeGzip(path);
  try {
    CheckUtf8(text);
  } catch (const Error& e) {
    throw Error(path + ": " + e.what());
  }
  return text;
}

std::string ReadText(const std::string& path) {
  std::string text = ReadUtf8(path);
  if (text.find('\r') == std::string::npos) return text;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!pair) text[kept++] = text[i] == '\r' ? '\n' : text[i];
  }
  text.resize(kept);
  return text;
}

std::string Fingerprint(const Dataset& dataset) {
  Sha256 hash;
  for (const std::string& document : dataset.documents) {
    hash.Update(std::to_string(document.size()) + ":");
    hash.Update(document);
  }
  return hash.HexDigest();
}

}  // namespace roundlab
