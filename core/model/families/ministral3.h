#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Ministral 3: as llama. Queries are multiplied by 1 + beta ln(1 + floor(p / c)) at position p of
/// a context c before it was stretched, which is 1 where p < c: texts may be as long as that.
ModelDescription DescribeMinistral3(const ConfigReader& config);

}  // namespace roundlab
