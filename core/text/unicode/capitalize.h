#pragma once

#include <string>
#include <string_view>

namespace roundlab {

/// Python's str.capitalize() (3.11: Unicode 14) of well-formed UTF-8: the full title-case mapping
/// of the first code point, the full lower-case mappings of the others, and the final sigma where a
/// sigma ends a word (Unicode 14, section 3.13, Final_Sigma).
std::string Capitalize(std::string_view text);

}  // namespace roundlab
