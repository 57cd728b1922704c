#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Phi-1, 1.5 and 2: attention and MLP side by side behind one norm, part of a head turns.
ModelDescription DescribePhi(const ConfigReader& config);

}  // namespace roundlab
