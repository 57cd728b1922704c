#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Persimmon: LayerNorms, also over each head of q and k, down(relu(up(x))^2), rotary on half a
/// head.
ModelDescription DescribePersimmon(const ConfigReader& config);

}  // namespace roundlab
