#pragma once

#include <map>
#include <string>

#include "core/model/config_reader.h"
#include "core/model/description.h"
#include "core/model/families/multimodal.h"

namespace roundlab {

/// Reads a family's config.json.
using DescribeFamily = ModelDescription (*)(const ConfigReader&);

/// All families of language models, by model_type.
const std::map<std::string, DescribeFamily>& BuiltinFamilies();
/// Those that are part of a larger model, by its model_type.
const std::map<std::string, Multimodal>& BuiltinMultimodal();

}  // namespace roundlab
