#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace roundlab {

/// Parses a document. Throws Error "<name>: not JSON: ..." with the byte at which it fails, or
/// where values lie in one another deeper than kDeepestJson.
nlohmann::json ParseJson(std::string_view text, const std::string& name);

/// The same, where Python wrote it: NaN, Infinity and -Infinity, which JSON does not have, become
/// {"__float__": "NaN"} and so on, as transformers 5 writes them.
nlohmann::json ParsePythonJson(std::string_view text, const std::string& name);

/// The same as ParseJson with objects' keys in the order of the text.
nlohmann::ordered_json ParseOrderedJson(std::string_view text, const std::string& name);

/// Copying and printing a value need stack for each level.
inline constexpr std::size_t kDeepestJson = 100;

/// How deep arrays and objects of a JSON text lie in one another.
std::size_t JsonDepth(std::string_view text);

}  // namespace roundlab
