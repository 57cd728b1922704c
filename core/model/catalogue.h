#pragma once

#include <string>
#include <vector>

namespace roundlab {

/// A name that configs use instead of a path: `models` of the catalogue (CatalogueFile).
struct ModelEntry {
  std::string name;
  std::vector<std::string> paths;  ///< under ROUNDLAB_MODELS; the first that exists is taken
  std::string get;                 ///< how to get it, in a sentence
  std::string shape;               ///< its sizes where it is not there: one of NamedShapes(), or ""
};

/// Throws Error where the catalogue can't be read. Read once.
const std::vector<ModelEntry>& ModelCatalogue();

/// In front of a shape's name (core/model/shapes.h) where a model of random weights is meant.
inline constexpr const char* kRandomModel = "random:";

/// What is wrong with a model's name, or "": one that is not known, and no file or folder either.
/// Whether the files of a known one are there is not asked.
std::string ModelNameProblem(const std::string& name_or_path);

/// The path of a model that is named in the catalogue, of "builtin:lab" (configs/lab/model), or
/// `name_or_path` itself where it exists as a file or folder or looks like a path. Throws Error
/// with the way to get it where it is not there.
std::string ResolveModel(const std::string& name_or_path);
/// Whether that is there.
bool ModelIsThere(const std::string& name_or_path);

}  // namespace roundlab
