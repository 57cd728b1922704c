#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Nemotron: LayerNorms that multiply by 1 + w, down(relu(up(x))^2), rotary on half of each head.
ModelDescription DescribeNemotron(const ConfigReader& config);

}  // namespace roundlab
