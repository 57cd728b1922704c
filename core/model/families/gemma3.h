#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// gemma3_text: RMSNorm of q and k, sliding layers have a rope of their own.
ModelDescription DescribeGemma3(const ConfigReader& config);

}  // namespace roundlab
