#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Poolside's Laguna: blocks have as many heads as num_attention_heads_per_layer says, each with a
/// softplus gate; the two kinds of attention turn other shares of their heads.
ModelDescription DescribeLaguna(const ConfigReader& config);

}  // namespace roundlab
