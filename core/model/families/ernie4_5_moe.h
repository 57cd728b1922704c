#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// ERNIE 4.5 with experts: rotary positions in pairs, experts scored by softmax and chosen with a
/// correction beside shared ones, blocks between two others dense (transformers 5.23,
/// ernie4_5_moe). Blocks that predict further tokens are left out.
ModelDescription DescribeErnieMoe(const ConfigReader& config);

}  // namespace roundlab
