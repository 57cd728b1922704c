#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/text/data/data_format.h"

namespace roundlab {

/// A name that configs use instead of a path: configs/catalogue.yaml has files, licence and source.
struct DataEntry {
  std::string name;
  std::string split;  ///< the split that an empty one means
  struct File {
    std::string split;
    std::string path;  ///< under ROUNDLAB_DATA
    DataFormat format = DataFormat::kAuto;
    std::string field;
    std::string labels;  ///< rows: file of their labels, under ROUNDLAB_DATA
  };
  std::vector<File> files;
  std::string join;
  bool join_tokens = false;
  std::string get;  ///< how to get it, in a sentence
};

/// Sizes of a model that may not be here, for estimates.
struct ModelShape {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t vocab = 0;
  void Fields(FieldVisitor& f);
};

struct ModelEntry {
  std::string name;
  std::vector<std::string> paths;  ///< under ROUNDLAB_MODELS; the first that exists is taken
  std::string get;
  std::optional<ModelShape> shape;
};

/// The catalogue: ROUNDLAB_CATALOGUE, else configs/catalogue.yaml of the source tree or
/// installation. Throws Error where it can't be read. Read once.
const std::vector<DataEntry>& DataCatalogue();
const std::vector<ModelEntry>& ModelCatalogue();

/// Throws Error for an unknown name (with the nearest) or split.
const DataEntry& FindData(const std::string& name);

/// configs/ of the source tree or installation.
std::string ConfigFolder();

/// ROUNDLAB_DATA or "data".
std::string DataFolder();
/// ROUNDLAB_MODELS or "models".
std::string ModelFolder();

/// The path of a model that is named in the catalogue, of "builtin:lab" (configs/lab/model), or
/// `name_or_path` itself where it exists as a file or folder or looks like a path. Throws Error
/// with the way to get it where it is not there.
std::string ResolveModel(const std::string& name_or_path);

}  // namespace roundlab
