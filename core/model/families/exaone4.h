#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// EXAONE 4: norms on the branches and over each head of q and k; layers that do not slide have no
/// rotary positions where others slide.
ModelDescription DescribeExaone4(const ConfigReader& config);

}  // namespace roundlab
