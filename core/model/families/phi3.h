#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Phi-3 and 4: as llama with q, k, v in one matrix and gate and up in one; LongRoPE.
ModelDescription DescribePhi3(const ConfigReader& config);

}  // namespace roundlab
