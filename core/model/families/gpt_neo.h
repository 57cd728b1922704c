#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GPT-Neo: as GPT-2; every other layer slides, scores are not scaled, q, k and v lie apart.
ModelDescription DescribeGptNeo(const ConfigReader& config);

}  // namespace roundlab
