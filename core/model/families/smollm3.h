#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// SmolLM3: as llama, every fourth layer without rotary positions.
ModelDescription DescribeSmolLm3(const ConfigReader& config);

}  // namespace roundlab
