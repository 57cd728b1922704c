#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Arcee's AFM: as llama, with an MLP that is not gated: down(relu(up(x))^2).
ModelDescription DescribeArcee(const ConfigReader& config);

}  // namespace roundlab
