#include "core/text/unicode/grapheme.h"

#include <utf8proc.h>

#include "core/base/utf8.h"

namespace roundlab {

std::size_t GraphemeEnd(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  char32_t last = NextCodePoint(text, &end);
  utf8proc_int32_t state = 0;
  while (end < text.size()) {
    if (last < 0x80 && last != '\r' && static_cast<unsigned char>(text[end]) < 0x80) break;
    std::size_t next_end = end;
    const char32_t next = NextCodePoint(text, &next_end);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last),
                                         static_cast<utf8proc_int32_t>(next), &state)) {
      break;
    }
    last = next;
    end = next_end;
  }
  return end;
}

}  // namespace roundlab
