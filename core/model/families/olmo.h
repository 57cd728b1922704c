#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// OLMo: as llama, with LayerNorms that have no weights.
ModelDescription DescribeOlmo(const ConfigReader& config);

}  // namespace roundlab
