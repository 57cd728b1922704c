#include "experiments/report/markup.h"

#include <algorithm>
#include <cstdint>

#include "experiments/tables/escape.h"
#include "experiments/tables/text_width.h"

namespace roundlab {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

/// Bytes of the character at `at`; 0 where none begins there that XML allows (RFC 3629;
/// XML 1.0, 2.2).
std::size_t CharacterLength(const std::string& text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) {
    const bool control = first < 0x20 && first != '\t' && first != '\n' && first != '\r';
    return control ? 0 : 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : 2);
  if (first < 0xC2 || first > 0xF4 || at + length > text.size()) return 0;
  std::uint32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t i = at + 1; i < at + length; ++i) {
    if (!Continues(text[i])) return 0;
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kLeast[length] || code > 0x10FFFF || surrogate) return 0;
  return code == 0xFFFE || code == 0xFFFF ? 0 : length;
}

}  // namespace

std::string Markup(const std::string& text) {
  std::string clean;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = CharacterLength(text, at);
    clean += length == 0 ? kReplacement : text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  return EscapeHtml(clean);
}

std::string Shortened(const std::string& text, std::size_t most) {
  if (TextWidth(text) <= most) return text;
  return text.substr(0, BytesOf(text, most - 1)) + "…";
}

}  // namespace roundlab
