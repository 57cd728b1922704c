#pragma once

#include <span>

namespace roundlab {

/// A run of code points, both ends included, of one general category ("Lu", "Nd", ...).
struct UnicodeRange {
  char32_t first;
  char32_t last;
  const char* category;
};

/// Code points of Unicode 16.0 that PCRE2 10.42 (Unicode 14.0) does not know, sorted.
std::span<const UnicodeRange> NewerThanPcre2();

struct CodePointRange {
  char32_t first;
  char32_t last;
};

/// Code points that decompose, or have a combining class, only since a Unicode version later than
/// 9.0; the library's normalizers leave them as they are. Sorted.
std::span<const CodePointRange> UnknownToUnicode9();

/// Code points of category P of Unicode 16.0 that were not in Unicode 8.0. Sorted.
std::span<const CodePointRange> PunctuationSinceUnicode8();

/// Lower-case mappings of Unicode 16.0 and 17.0 that are not in 15.0: code points of a range map to
/// themselves plus `offset`.
struct LowercaseRange {
  char32_t first;
  char32_t last;
  int step;  ///< 1: every code point of the range, 2: every second one
  int offset;
};
std::span<const LowercaseRange> LowercaseSinceUnicode15();

}  // namespace roundlab
