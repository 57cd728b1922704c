#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Helium: as llama, with rotary in pairs.
ModelDescription DescribeHelium(const ConfigReader& config);
/// ERNIE 4.5, dense: the same with other keys.
ModelDescription DescribeErnie(const ConfigReader& config);
/// PaddleOCR-VL: its keys, as llama; rotary positions are those of qwen_vl.h (paddleocr_vl_text).
ModelDescription DescribePaddleOcrText(const ConfigReader& config);

}  // namespace roundlab
