#include "core/text/data/json_row.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "core/base/error.h"
#include "core/formats/json.h"

namespace roundlab {
namespace {

/// What JSON has not, and where it begins; `what` is empty where there is nothing of the kind.
struct Oddity {
  std::string what;
  std::size_t at = 0;
};

/// The number of an escape \uXXXX that begins at `at`; 0 where there is none.
std::uint32_t Escaped(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return 0;
  const char* digits = text.data() + at + 2;
  return std::from_chars(digits, digits + 4, value, 16).ptr == digits + 4 ? value : 0;
}

bool IsFirstHalf(std::uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool IsSecondHalf(std::uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/// In a string whose opening quote is at `*at`; moves `*at` behind its closing one.
Oddity FindHalfPair(std::string_view text, std::size_t* at) {
  for (std::size_t i = *at + 1; i < text.size();) {
    if (text[i] == '"') {
      *at = i + 1;
      return {};
    }
    if (text[i] != '\\') {
      ++i;
      continue;
    }
    const std::uint32_t unit = Escaped(text, i);
    const bool pair = IsFirstHalf(unit) && IsSecondHalf(Escaped(text, i + 6));
    if (!pair && (IsFirstHalf(unit) || IsSecondHalf(unit))) {
      return {std::string(text.substr(i, 6)) + " is half a surrogate pair, no character", i};
    }
    i += pair ? 12 : unit != 0 ? 6 : 2;
  }
  *at = text.size();
  return {};
}

Oddity FindOddity(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kNumbers = {"NaN", "Infinity", "-Infinity"};
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '"') {
      Oddity found = FindHalfPair(text, &i);
      if (!found.what.empty()) return found;
      continue;
    }
    for (const std::string_view number : kNumbers) {
      if (text.substr(i).starts_with(number)) return {std::string(number) + " is no number", i};
    }
    ++i;
  }
  return {};
}

}  // namespace

nlohmann::ordered_json ParseRow(std::string_view text, const std::string& where) {
  try {
    return ParseOrderedJson(text, where);
  } catch (const Error&) {
    const Oddity found = FindOddity(text);
    if (found.what.empty()) throw;
    const auto before = text.substr(0, found.at);
    const auto line = std::count(before.begin(), before.end(), '\n');
    throw Error(where + (line == 0 ? "" : ": line " + std::to_string(line + 1)) +
                ": not JSON: " + found.what);
  }
}

}  // namespace roundlab
