#pragma once

#include <string>
#include <vector>

#include "core/model/description.h"

namespace roundlab {

/// A published model's sizes, for models of random weights and for documents.
struct NamedShape {
  const char* name;    ///< "llama2-7b"
  const char* config;  ///< what its config.json says of the shape
};

/// All of them, by family; mixtures of experts last.
const std::vector<NamedShape>& NamedShapes();

/// "" for the name of a shape; of another, the nearest name and all of them.
std::string ShapeProblem(const std::string& name);

/// The description of a shape. Throws Error with ShapeProblem.
ModelDescription DescribeShape(const std::string& name);

}  // namespace roundlab
