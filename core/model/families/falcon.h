#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Falcon 7B (one key head), 40B and 180B (new_decoder_architecture), and those without either.
ModelDescription DescribeFalcon(const ConfigReader& config);

}  // namespace roundlab
