#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// StableLM: as llama with LayerNorm, part of a head turns; branches may be parallel.
ModelDescription DescribeStableLm(const ConfigReader& config);

}  // namespace roundlab
