#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GPT-J: attention and MLP side by side behind one norm, rotary positions in pairs.
ModelDescription DescribeGptJ(const ConfigReader& config);
/// CodeGen: the same with q, v and k in one matrix, in four parts.
ModelDescription DescribeCodeGen(const ConfigReader& config);

}  // namespace roundlab
