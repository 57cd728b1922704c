#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// As llama with biases of q, k and v; windows above some layer.
ModelDescription DescribeQwen2(const ConfigReader& config);
/// RMSNorm over each head of q and k.
ModelDescription DescribeQwen3(const ConfigReader& config);

}  // namespace roundlab
