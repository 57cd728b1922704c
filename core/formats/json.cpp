#include "core/formats/json.h"

#include <algorithm>

#include "core/base/error.h"

namespace roundlab {

using nlohmann::json;

std::size_t JsonDepth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '[' || c == '{')) {
      deepest = std::max(deepest, ++depth);
    } else if (!in_string && (c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

namespace {

template <class Value>
Value Parse(std::string_view text, const std::string& name) {
  try {
    Value parsed = Value::parse(text);
    if (JsonDepth(text) <= kDeepestJson) return parsed;
  } catch (const json::parse_error& failure) {
    throw Error(name + ": not JSON: error at byte " + std::to_string(failure.byte));
  } catch (const json::exception&) {  // a number beyond double
    throw Error(name + ": not JSON: a number out of range");
  }
  throw Error(name + ": not JSON: values in one another deeper than " +
              std::to_string(kDeepestJson));
}

}  // namespace

json ParseJson(std::string_view text, const std::string& name) { return Parse<json>(text, name); }

nlohmann::ordered_json ParseOrderedJson(std::string_view text, const std::string& name) {
  return Parse<nlohmann::ordered_json>(text, name);
}

}  // namespace roundlab
