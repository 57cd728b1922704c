#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// dots.llm1: llama's attention with norms of q and k, DeepSeek-V3's experts (transformers 5.23,
/// dots1).
ModelDescription DescribeDots1(const ConfigReader& config);

}  // namespace roundlab
