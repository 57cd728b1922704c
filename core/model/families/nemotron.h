#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Nemotron: LayerNorms that multiply by 1 + w, down(relu(up(x))^2), rotary on half of each head.
ModelDescription DescribeNemotron(const ConfigReader& config);
/// Jais 2: norms multiply by w, biases everywhere, rotary on all of each head.
ModelDescription DescribeJais2(const ConfigReader& config);

}  // namespace roundlab
