#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// DBRX: experts whose matrices lie in one tensor, LayerNorms without bias, q, k and v in one
/// matrix.
ModelDescription DescribeDbrx(const ConfigReader& config);

}  // namespace roundlab
