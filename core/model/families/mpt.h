#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// MPT: ALiBi, no biases anywhere, q, k and v in one matrix.
ModelDescription DescribeMpt(const ConfigReader& config);

}  // namespace roundlab
