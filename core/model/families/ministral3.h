#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Ministral 3: as llama, with queries that are tempered beyond the context before it was stretched
/// (TemperDescription).
ModelDescription DescribeMinistral3(const ConfigReader& config);

}  // namespace roundlab
