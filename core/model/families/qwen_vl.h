#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Language models that have a vision model beside them. Their rotary positions are of time, height
// and width, which are one in a text.

/// As qwen2 (qwen2_vl, qwen2_5_vl): the whole config.json, whose text_config is optional.
ModelDescription DescribeQwen2Vl(const ConfigReader& config);
/// As qwen3 without windows (qwen3_vl_text).
ModelDescription DescribeQwen3VlText(const ConfigReader& config);
/// As qwen3_moe, with stacked experts, whose weights always sum to one: stored as [in, out], by
/// transformers 5.23 as [out, in] (qwen3_vl_moe_text).
ModelDescription DescribeQwen3VlMoeText(const ConfigReader& config);

}  // namespace roundlab
