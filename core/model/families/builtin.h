#pragma once

#include <map>
#include <string>

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Reads a family's config.json.
using DescribeFamily = ModelDescription (*)(const ConfigReader&);

/// All families, by model_type.
const std::map<std::string, DescribeFamily>& BuiltinFamilies();

}  // namespace roundlab
