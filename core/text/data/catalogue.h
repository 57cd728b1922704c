#pragma once

#include <string>
#include <vector>

#include "core/text/data/data_format.h"

namespace roundlab {

/// A name that configs use instead of a path: `data` of the catalogue (CatalogueFile), which has
/// files, licence and source.
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

/// Throws Error where the catalogue can't be read. Read once.
const std::vector<DataEntry>& DataCatalogue();

/// Throws Error for an unknown name (with the nearest) or split.
const DataEntry& FindData(const std::string& name);

}  // namespace roundlab
