#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GLM-4.5: llama's attention, rotary positions on half of a head, DeepSeek-V3's experts
/// (transformers 5.23, glm4_moe). The layer that predicts a further token is left out.
ModelDescription DescribeGlm4Moe(const ConfigReader& config);
/// The same beside a vision model; rotary positions are those of qwen_vl.h (glm4v_moe_text).
ModelDescription DescribeGlm4vMoeText(const ConfigReader& config);
/// Solar Open: the same with experts in all blocks and rotary positions on all of a head
/// (solar_open).
ModelDescription DescribeSolarOpen(const ConfigReader& config);

}  // namespace roundlab
