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

/// The text with what JSON does not have as objects.
std::string WithPythonNumbers(std::string_view text) {
  std::string written;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!in_string) {
      for (const std::string_view number : {"NaN", "-Infinity", "Infinity"}) {
        if (text.substr(i, number.size()) != number) continue;
        written += R"({"__float__":")" + std::string(number) + R"("})";
        i += number.size();
        break;
      }
      if (i == text.size()) break;
    }
    if (text[i] == '"') in_string = !in_string;
    written += text[i];
    if (in_string && text[i] == '\\' && i + 1 < text.size()) written += text[++i];
  }
  return written;
}

}  // namespace

json ParsePythonJson(std::string_view text, const std::string& name) {
  if (json::accept(text)) return ParseJson(text, name);
  const std::string written = WithPythonNumbers(text);
  // What is wrong is told of the text as it is.
  return json::accept(written) ? ParseJson(written, name) : ParseJson(text, name);
}

json ParseJson(std::string_view text, const std::string& name) { return Parse<json>(text, name); }

nlohmann::ordered_json ParseOrderedJson(std::string_view text, const std::string& name) {
  return Parse<nlohmann::ordered_json>(text, name);
}

}  // namespace roundlab
