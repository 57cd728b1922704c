#pragma once

#include <string>
#include <vector>

#include "core/model/description.h"
#include "core/model/named_shapes.h"

namespace roundlab {

/// Shapes of published models by family, mixtures of experts last.
const std::vector<NamedShape>& NamedShapes();

/// "" for the name of a shape; of another, the nearest name and all of them.
std::string ShapeProblem(const std::string& name);

/// The description of a shape. Throws Error with ShapeProblem.
ModelDescription DescribeShape(const std::string& name);

}  // namespace roundlab
