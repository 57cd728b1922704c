#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GPT-BigCode (StarCoder): GPT-2 with one key head for all query heads, matrices not transposed.
ModelDescription DescribeGptBigCode(const ConfigReader& config);

}  // namespace roundlab
