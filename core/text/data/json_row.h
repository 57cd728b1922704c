#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace roundlab {

/// ParseOrderedJson (core/formats/json.h), with an error that says what it is where Python would
/// take what JSON has not: NaN, Infinity, and half a surrogate pair, which is no character.
/// `where`: "a.jsonl:12". In a text of several lines the line in it is told too.
nlohmann::ordered_json ParseRow(std::string_view text, const std::string& where);

}  // namespace roundlab
