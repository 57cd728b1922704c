#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// InternLM2: llama by other names, q, k and v in one matrix.
ModelDescription DescribeInternLm2(const ConfigReader& config);
/// InternLM3: llama with keys of its own for biases.
ModelDescription DescribeInternLm3(const ConfigReader& config);

}  // namespace roundlab
