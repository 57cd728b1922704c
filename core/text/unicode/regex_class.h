#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// A character class in the making: items that PCRE2 can hold in one [...], and complements of
/// such items, which it can't where the complement is of a union.
class RegexClass {
 public:
  void AddRange(char32_t first, char32_t last);

  /// The class escapes \s \d \w \h and, in upper case, their complements. Outside [...], \w takes
  /// in six superscripts and fractions of Latin-1, inside it does not.
  void AddEscape(char letter, bool inside_brackets);

  /// A general category ("L", "Lu", "letter", ...) or script ("Han", ...). Returns false where the
  /// name is none of those whose members are known to be Oniguruma's.
  bool AddProperty(std::string_view name, bool complement);

  /// PCRE2 text that matches one code point of the class (or, complemented, none of it).
  std::string Text(bool complement) const;

  /// True where the class has one of the cased categories Lu, Ll, Lt, which Oniguruma widens and
  /// PCRE2 does not when matching without case.
  bool HasCasedCategory() const { return cased_; }

 private:
  std::string items_;
  std::vector<std::string> complements_;
  bool cased_ = false;
};

}  // namespace roundlab
