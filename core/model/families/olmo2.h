#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// OLMo 2 (arXiv 2501.00656): norms on the branches only, and of all heads of q and k together.
ModelDescription DescribeOlmo2(const ConfigReader& config);

}  // namespace roundlab
