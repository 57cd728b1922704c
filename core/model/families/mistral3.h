#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// The language model of Mistral Small 3.1 and of Ministral 3 as published, mistral or ministral3
/// beside a vision model (transformers 5.23, mistral3).
ModelDescription DescribeMistral3(const ConfigReader& config);

}  // namespace roundlab
