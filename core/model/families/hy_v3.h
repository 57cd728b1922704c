#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Hunyuan 3: llama's attention with norms over each head of q and k, DeepSeek-V3's experts in all
/// blocks but the first (transformers 5.23, hy_v3). The layer that predicts a further token is left
/// out.
ModelDescription DescribeHyV3(const ConfigReader& config);

}  // namespace roundlab
