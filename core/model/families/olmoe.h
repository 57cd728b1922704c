#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// OLMoE: experts; RMS norms, also over all of q and of k.
ModelDescription DescribeOlmoe(const ConfigReader& config);

}  // namespace roundlab
