#include "core/formats/json.h"

#include <algorithm>

#include "core/base/error.h"

namespace roundlab {

using nlohmann::json;

namespace {

/// The byte behind a string whose opening quote is at `begin`, or the text's end.
std::size_t EndOfString(std::string_view text, std::size_t begin) {
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
  }
  return text.size();
}

}  // namespace

std::size_t JsonDepth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      i = EndOfString(text, i) - 1;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
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

/// What stands at `place` that JSON does not have; empty: nothing.
std::string_view PythonNumber(std::string_view text, std::size_t place) {
  for (const std::string_view number : {"NaN", "-Infinity", "Infinity"}) {
    if (text.substr(place, number.size()) == number) return number;
  }
  return {};
}

/// The text with what JSON does not have as objects.
std::string WithPythonNumbers(std::string_view text) {
  std::string written;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view number = PythonNumber(text, i);
    const std::size_t end = text[i] == '"' ? EndOfString(text, i) : i + 1;
    if (number.empty()) {
      written += text.substr(i, end - i);
      i = end;
    } else {
      written += R"({"__float__":")" + std::string(number) + R"("})";
      i += number.size();
    }
  }
  return written;
}

}  // namespace

json ParsePythonJson(std::string_view text, const std::string& name) {
  const std::string written = WithPythonNumbers(text);
  // What is wrong is told of the text as it is.
  const bool as_it_is = written.size() == text.size() || !json::accept(written);
  return ParseJson(as_it_is ? text : written, name);
}

json ParseJson(std::string_view text, const std::string& name) { return Parse<json>(text, name); }

nlohmann::ordered_json ParseOrderedJson(std::string_view text, const std::string& name) {
  return Parse<nlohmann::ordered_json>(text, name);
}

}  // namespace roundlab
