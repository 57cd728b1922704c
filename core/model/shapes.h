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

/// All of them, by family.
const std::vector<NamedShape>& NamedShapes();

/// The description of a shape. Throws Error with the nearest name and all of them.
ModelDescription DescribeShape(const std::string& name);

}  // namespace roundlab
