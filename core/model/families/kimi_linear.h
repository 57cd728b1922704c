#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Kimi Linear (arXiv 2510.26692): latent attention without positions in every fourth layer, delta
/// rules whose states' rows fade by themselves in the others; DeepSeek-V3's experts under other
/// names.
ModelDescription DescribeKimiLinear(const ConfigReader& config);

}  // namespace roundlab
