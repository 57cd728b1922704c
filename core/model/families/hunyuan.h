#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Hunyuan, dense: as llama, with norms over each head of q and k after rotary.
ModelDescription DescribeHunyuan(const ConfigReader& config);
/// The same beside a vision model; rotary positions are those of qwen_vl.h (hunyuan_vl_text).
ModelDescription DescribeHunyuanVlText(const ConfigReader& config);
/// Hunyuan with experts beside one that all tokens go through, each as wide as a dense MLP
/// (transformers 5.23, hunyuan_v1_moe).
ModelDescription DescribeHunyuanMoe(const ConfigReader& config);

}  // namespace roundlab
