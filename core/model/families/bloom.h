#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// BLOOM (arXiv 2211.05100): ALiBi, a norm after the embedding.
ModelDescription DescribeBloom(const ConfigReader& config);

}  // namespace roundlab
