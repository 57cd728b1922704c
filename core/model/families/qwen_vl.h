#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Language models that have a vision model beside them. Their rotary positions are of time, height
// and width, which are one in a text.

/// As qwen2 (qwen2_vl, qwen2_5_vl).
ModelDescription DescribeQwen2Vl(const ConfigReader& config);
/// As qwen3 without windows (qwen3_vl).
ModelDescription DescribeQwen3Vl(const ConfigReader& config);

}  // namespace roundlab
