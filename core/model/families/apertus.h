#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Apertus: down(xielu(up(x))), norms over each head of q and k.
ModelDescription DescribeApertus(const ConfigReader& config);

}  // namespace roundlab
