#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// FlexOlmo: as OLMo 2, norms on the branches and over all of q and of k, with experts
/// (transformers 5.23, flex_olmo).
ModelDescription DescribeFlexOlmo(const ConfigReader& config);

}  // namespace roundlab
