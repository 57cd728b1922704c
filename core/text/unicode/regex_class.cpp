#include "core/text/unicode/regex_class.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

#include "core/text/unicode/unicode.h"
#include "core/text/unicode/unicode_tables.h"

namespace roundlab {
namespace {

std::string Hex(char32_t code_point) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string digits;
  do {
    digits.insert(digits.begin(), kDigits[code_point & 15]);
    code_point >>= 4;
  } while (code_point != 0);
  return "\\x{" + digits + "}";
}

std::string RangeText(char32_t first, char32_t last) {
  return first == last ? Hex(first) : Hex(first) + "-" + Hex(last);
}

// A category of one letter ("L") or two ("Lu") as of Unicode 16.0.
std::string CategoryItems(std::string_view name) {
  std::string items = "\\p{" + std::string(name) + "}";
  for (const UnicodeRange& range : NewerThanPcre2()) {
    if (std::string_view(range.category).substr(0, name.size()) == name) {
      items += RangeText(range.first, range.last);
    }
  }
  return items;
}

std::string SpaceItems() {
  return "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}"
         "\\x{202F}\\x{205F}\\x{3000}";
}

std::string WordItems(bool inside_brackets) {
  return CategoryItems("L") + CategoryItems("M") + CategoryItems("Nd") + CategoryItems("Nl") +
         CategoryItems("Pc") + (inside_brackets ? "" : "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}") +
         "\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}"
         "\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";
}

struct Script {
  std::string_view name;      // lower case
  std::string_view property;  // for \p{sc:...}
  std::string_view newer;     // members of Unicode 15.0 to 16.0
};
constexpr std::array<Script, 10> kScripts = {{
    {"arabic", "Arabic", "\\x{897}\\x{10EC2}-\\x{10EC4}\\x{10EFC}-\\x{10EFF}"},
    {"cyrillic", "Cyrillic", "\\x{1C89}\\x{1C8A}\\x{1E030}-\\x{1E06D}\\x{1E08F}"},
    {"devanagari", "Devanagari", "\\x{11B00}-\\x{11B09}"},
    {"greek", "Greek", ""},
    {"han", "Han", "\\x{2B739}\\x{2EBF0}-\\x{2EE5D}\\x{31350}-\\x{323AF}"},
    {"hangul", "Hangul", ""},
    {"hebrew", "Hebrew", ""},
    {"hiragana", "Hiragana", "\\x{1B132}"},
    {"katakana", "Katakana", "\\x{1B155}"},
    {"thai", "Thai", ""},
}};

struct CategoryName {
  std::string_view name;  // lower case, as Oniguruma compares it
  std::string_view category;
};
// Not C and Cn, which lose members as Unicode grows. Mn has U+1171E too many, which is Mc
// since 16.0.
constexpr std::array<CategoryName, 47> kCategories = {{
    {"l", "L"},
    {"lu", "Lu"},
    {"ll", "Ll"},
    {"lt", "Lt"},
    {"lm", "Lm"},
    {"lo", "Lo"},
    {"m", "M"},
    {"mn", "Mn"},
    {"mc", "Mc"},
    {"me", "Me"},
    {"n", "N"},
    {"nd", "Nd"},
    {"nl", "Nl"},
    {"no", "No"},
    {"p", "P"},
    {"pc", "Pc"},
    {"pd", "Pd"},
    {"ps", "Ps"},
    {"pe", "Pe"},
    {"pi", "Pi"},
    {"pf", "Pf"},
    {"po", "Po"},
    {"s", "S"},
    {"sm", "Sm"},
    {"sc", "Sc"},
    {"sk", "Sk"},
    {"so", "So"},
    {"z", "Z"},
    {"zs", "Zs"},
    {"zl", "Zl"},
    {"zp", "Zp"},
    {"cc", "Cc"},
    {"cf", "Cf"},
    {"co", "Co"},
    {"letter", "L"},
    {"mark", "M"},
    {"number", "N"},
    {"punctuation", "P"},
    {"punct", "P"},
    {"symbol", "S"},
    {"separator", "Z"},
    {"uppercaseletter", "Lu"},
    {"lowercaseletter", "Ll"},
    {"titlecaseletter", "Lt"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"decimalnumber", "Nd"},
}};

std::string EscapeItems(char lower_letter, bool inside_brackets) {
  switch (lower_letter) {
    case 's':
      return SpaceItems();
    case 'd':
      return CategoryItems("Nd");
    case 'w':
      return WordItems(inside_brackets);
    default:
      return "0-9A-Fa-f";
  }
}

std::string Simplify(std::string_view name) {
  std::string simple;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    simple += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return simple;
}

}  // namespace

void RegexClass::AddRange(char32_t first, char32_t last) { items_ += RangeText(first, last); }

void RegexClass::AddEscape(char letter, bool inside_brackets) {
  const bool complement = letter >= 'A' && letter <= 'Z';
  const char lower = static_cast<char>(complement ? letter - 'A' + 'a' : letter);
  if (complement) {
    complements_.push_back(EscapeItems(lower, inside_brackets));
  } else {
    items_ += EscapeItems(lower, inside_brackets);
  }
}

bool RegexClass::AddProperty(std::string_view name, bool complement) {
  const std::string simple = Simplify(name);
  std::string items;
  const auto category =
      std::find_if(kCategories.begin(), kCategories.end(),
                   [&](const CategoryName& entry) { return entry.name == simple; });
  const auto script = std::find_if(kScripts.begin(), kScripts.end(),
                                   [&](const Script& entry) { return entry.name == simple; });
  if (category != kCategories.end()) {
    items = CategoryItems(category->category);
    cased_ = cased_ || category->category == "Lu" || category->category == "Ll" ||
             category->category == "Lt";
  } else if (script != kScripts.end()) {
    items = "\\p{sc:" + std::string(script->property) + "}" + std::string(script->newer);
  } else {
    return false;
  }
  if (complement) {
    complements_.push_back(items);
  } else {
    items_ += items;
  }
  return true;
}

std::string RegexClass::Text(bool complement) const {
  if (complements_.empty()) return (complement ? "[^" : "[") + items_ + "]";
  std::string any = "(?:";
  if (!items_.empty()) any += "[" + items_ + "]|";
  for (const std::string& items : complements_) any += "[^" + items + "]|";
  any.back() = ')';
  return complement ? "(?:(?!" + any + ")(?s:.))" : any;
}

}  // namespace roundlab
