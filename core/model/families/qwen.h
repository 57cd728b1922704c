#pragma once

#include <cstdint>

#include "core/model/common_config.h"
#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// As llama with biases of q, k and v; windows above some layer.
ModelDescription DescribeQwen2(const ConfigReader& config);
/// RMSNorm over each head of q and k.
ModelDescription DescribeQwen3(const ConfigReader& config);

/// Qwen2 with other defaults; `first`: max_window_layers where config.json is silent.
ModelDescription ReadQwen2(const ConfigReader& config, const ConfigDefaults& defaults,
                           std::int64_t first);

}  // namespace roundlab
