#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// GLM-4: as llama, with rotary in pairs on half of each head, and gate and up in one matrix.

ModelDescription DescribeGlm(const ConfigReader& config);
/// GLM-4-0414: norms on both branches too.
ModelDescription DescribeGlm4(const ConfigReader& config);
/// The same beside a vision model; rotary positions are those of qwen_vl.h (glm4v_text).
ModelDescription DescribeGlm4vText(const ConfigReader& config);
/// The same without biases (glm_ocr_text). The layer that predicts a further token is left out.
ModelDescription DescribeGlmOcrText(const ConfigReader& config);

}  // namespace roundlab
