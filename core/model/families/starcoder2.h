#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// StarCoder2 (arXiv 2402.19173): LayerNorm, a plain MLP, biases.
ModelDescription DescribeStarcoder2(const ConfigReader& config);

}  // namespace roundlab
