#include "core/text/unicode/grapheme.h"

#include <utf8proc.h>

#include <algorithm>

#include "core/base/utf8.h"
#include "core/text/unicode/unicode_tables.h"

namespace roundlab {
namespace {

// Marks of Unicode 16.0 and 17.0 that 15.0, utf8proc 2.8's version, does not have. Read off the
// library: these it joins to a letter in front of them.
constexpr CodePointRange kMarksSinceUnicode15[] = {
    {0x897, 0x897},     {0x1ACF, 0x1ADD},   {0x1AE0, 0x1AEB},   {0x10D69, 0x10D6D},
    {0x10EFA, 0x10EFC}, {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5},
    {0x113C7, 0x113CA}, {0x113CC, 0x113D0}, {0x113D2, 0x113D2}, {0x113E1, 0x113E2},
    {0x11B60, 0x11B67}, {0x11F5A, 0x11F5A}, {0x1611E, 0x1612F}, {0x1E5EE, 0x1E5EF},
    {0x1E6E3, 0x1E6E3}, {0x1E6E6, 0x1E6E6}, {0x1E6EE, 0x1E6EF}, {0x1E6F5, 0x1E6F5},
};

// A code point that utf8proc joins as Unicode 17.0 joins this one.
utf8proc_int32_t AlikeInUnicode15(char32_t c) {
  if (c < 0x897) return static_cast<utf8proc_int32_t>(c);
  const bool mark = std::ranges::any_of(
      kMarksSinceUnicode15, [c](const auto& range) { return c >= range.first && c <= range.last; });
  if (mark) return 0x301;
  if (c == 0x113D1) return 0x600;  // joins what stands behind it
  if (c == 0x11A3A) return 'a';    // no longer does
  return static_cast<utf8proc_int32_t>(c);
}

}  // namespace

std::size_t GraphemeEnd(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  utf8proc_int32_t last = AlikeInUnicode15(NextCodePoint(text, &end));
  utf8proc_int32_t state = 0;
  while (end < text.size()) {
    if (last < 0x80 && last != '\r' && static_cast<unsigned char>(text[end]) < 0x80) break;
    std::size_t next_end = end;
    const utf8proc_int32_t next = AlikeInUnicode15(NextCodePoint(text, &next_end));
    if (utf8proc_grapheme_break_stateful(last, next, &state)) break;
    last = next;
    end = next_end;
  }
  return end;
}

}  // namespace roundlab
