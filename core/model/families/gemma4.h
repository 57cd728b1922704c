#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// gemma4_text: layers that see all keys have wider heads, and fewer of keys, than those that
/// slide; keys' rows may be the values; experts may stand beside the MLP. Embeddings of each layer,
/// and layers that use the keys of others (E2B, E4B), are refused.
ModelDescription DescribeGemma4(const ConfigReader& config);

}  // namespace roundlab
