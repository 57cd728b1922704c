#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/model/config_reader.h"
#include "core/model/description.h"
#include "core/model/families/multimodal.h"

namespace roundlab {

/// Reads a family's config.json.
using DescribeFamily = ModelDescription (*)(const ConfigReader&);

/// All families of language models, by model_type.
const std::map<std::string, DescribeFamily>& BuiltinFamilies();
/// A name that a family has within a larger model, and the values of keys on which its files are
/// silent that are not the family's.
struct FamilyAlias {
  std::string family;
  nlohmann::json absent;
};
const std::map<std::string, FamilyAlias>& BuiltinAliases();
/// Those that are part of a larger model, by its model_type.
const std::map<std::string, Multimodal>& BuiltinMultimodal();

}  // namespace roundlab
