#pragma once

#include <nlohmann/json_fwd.hpp>

namespace roundlab {

/// To stdout, indented. Bytes that are not UTF-8, which a path may have, become U+FFFD.
void PrintJson(const nlohmann::json& value);

}  // namespace roundlab
