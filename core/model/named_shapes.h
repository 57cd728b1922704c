#pragma once

#include <vector>

#include "core/model/shapes.h"

namespace roundlab {

// What NamedShapes() lists, each by family.

std::vector<NamedShape> DenseShapes();
std::vector<NamedShape> MixtureShapes();  ///< of mixtures of experts

}  // namespace roundlab
