#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/text/data/data_format.h"

namespace roundlab {

/// Where text comes from: a name of the catalogue, or a file. In YAML `data: wikitext2` or
/// `data: {path: my.jsonl.gz, field: text}`. A path may be built in
/// (core/text/data/builtin_data.h).
struct DataSource {
  std::string name;  ///< of the catalogue; empty where `path` is given
  std::string path;  ///< .gz is unpacked
  DataFormat format = DataFormat::kAuto;
  std::string field = "text";  ///< jsonl, parquet: the field that holds the document
  std::string split;           ///< catalogue: "test", "validation", ...; empty its default
  std::string labels;          ///< rows: a file with one label a line, for their field `label`
  SourceLoc where;             ///< where it is written, for messages; empty of what code made

  void Fields(FieldVisitor& f);
  bool Given() const { return !name.empty() || !path.empty(); }
  std::string Label() const { return name.empty() ? path : name; }
  /// That it is read from; none where it is built in. Throws as ResolveData.
  std::vector<std::string> Files() const;
};

/// What of a source is read: documents, or rows with several fields (LoadRows).
enum class DataUse { kTexts, kRows };

/// The field of a DataSource: a name or a mapping.
class DataField : public ValueField {
 public:
  explicit DataField(DataSource* source, DataUse use = DataUse::kTexts)
      : source_(source), use_(use) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override;
  std::string Write() const override;
  std::string Type() const override { return "name of the catalogue, or {path, format, field}"; }

 private:
  DataSource* source_;
  DataUse use_;
};

/// The file that is meant: a name of the catalogue becomes path, format, field and labels. Throws
/// Error, with the place of the source, for an unknown split and where there is no such file.
DataSource ResolveData(const DataSource& source);

/// Documents of a source, and how its protocols put them together.
struct Dataset {
  std::string label;
  std::string file;                       ///< for messages
  DataFormat format = DataFormat::kText;  ///< that it was read in, never auto
  std::vector<std::string> documents;     ///< UTF-8
  std::string join;                       ///< what stands between documents in the GPTQ protocol
  bool join_tokens = false;  ///< documents are encoded each by itself (own BOS), ids concatenated
};

/// The format of a file: what its source says, for auto what its name says.
DataFormat FormatOf(const DataSource& file);

/// Reads a source. `most` documents at the most, 0 all. Throws Error naming file and row: missing
/// file, row that is no JSON, row without the field, text that is not UTF-8, no document at all.
Dataset LoadDataset(const DataSource& source, std::int64_t most = 0);

/// The bytes of a file, unpacked where its name ends in .gz; built-in rows as if from a file.
std::string ReadMaybeGzip(const std::string& path);

/// The same, UTF-8. Throws Error "<path>: text is not UTF-8: byte 0xNN at offset N".
std::string ReadUtf8(const std::string& path);
/// The text of a file as Python's open() reads it in any format: the same, and "\r\n" and "\r" are
/// "\n".
std::string ReadText(const std::string& path);

/// SHA-256 over the documents, for the provenance.
std::string Fingerprint(const Dataset& dataset);

}  // namespace roundlab
