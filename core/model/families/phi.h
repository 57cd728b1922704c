#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Phi-1, 1.5 and 2: attention and MLP side by side behind one norm, part of a head turns.
ModelDescription DescribePhi(const ConfigReader& config);

/// Phi-3 and 4: as llama with q, k, v in one matrix and gate and up in one; LongRoPE.
ModelDescription DescribePhi3(const ConfigReader& config);

}  // namespace roundlab
