#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Qwen1.5-MoE and Qwen2-MoE: experts beside one that all tokens go through, times a gate.
ModelDescription DescribeQwen2Moe(const ConfigReader& config);

}  // namespace roundlab
