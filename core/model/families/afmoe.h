#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Arcee's Trinity: what heads give is gated by a layer of its own, norms on both branches, rotary
/// positions where a block slides; DeepSeek-V3's experts behind the first blocks
/// (transformers 5.23, afmoe).
ModelDescription DescribeAfMoe(const ConfigReader& config);

}  // namespace roundlab
