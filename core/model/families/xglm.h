#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// XGLM: as OPT, with sinusoidal positions and scaled embeddings.
ModelDescription DescribeXglm(const ConfigReader& config);

}  // namespace roundlab
