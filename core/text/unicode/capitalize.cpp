#include "core/text/unicode/capitalize.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "core/base/utf8.h"
#include "core/text/unicode/unicode.h"

namespace roundlab {
namespace {

struct TitleCase {
  char32_t code_point;
  std::u32string_view mapping;
};

// Whose title-case mapping is more than one code point, ascending.
constexpr TitleCase kTitleCases[] = {
    {0x00DF, U"Ss"},
    {0x0149, U"\u02BCN"},
    {0x01F0, U"J\u030C"},
    {0x0390, U"\u0399\u0308\u0301"},
    {0x03B0, U"\u03A5\u0308\u0301"},
    {0x0587, U"\u0535\u0582"},
    {0x1E96, U"H\u0331"},
    {0x1E97, U"T\u0308"},
    {0x1E98, U"W\u030A"},
    {0x1E99, U"Y\u030A"},
    {0x1E9A, U"A\u02BE"},
    {0x1F50, U"\u03A5\u0313"},
    {0x1F52, U"\u03A5\u0313\u0300"},
    {0x1F54, U"\u03A5\u0313\u0301"},
    {0x1F56, U"\u03A5\u0313\u0342"},
    {0x1FB2, U"\u1FBA\u0345"},
    {0x1FB4, U"\u0386\u0345"},
    {0x1FB6, U"\u0391\u0342"},
    {0x1FB7, U"\u0391\u0342\u0345"},
    {0x1FC2, U"\u1FCA\u0345"},
    {0x1FC4, U"\u0389\u0345"},
    {0x1FC6, U"\u0397\u0342"},
    {0x1FC7, U"\u0397\u0342\u0345"},
    {0x1FD2, U"\u0399\u0308\u0300"},
    {0x1FD3, U"\u0399\u0308\u0301"},
    {0x1FD6, U"\u0399\u0342"},
    {0x1FD7, U"\u0399\u0308\u0342"},
    {0x1FE2, U"\u03A5\u0308\u0300"},
    {0x1FE3, U"\u03A5\u0308\u0301"},
    {0x1FE4, U"\u03A1\u0313"},
    {0x1FE6, U"\u03A5\u0342"},
    {0x1FE7, U"\u03A5\u0308\u0342"},
    {0x1FF2, U"\u1FFA\u0345"},
    {0x1FF4, U"\u038F\u0345"},
    {0x1FF6, U"\u03A9\u0342"},
    {0x1FF7, U"\u03A9\u0342\u0345"},
    {0xFB00, U"Ff"},
    {0xFB01, U"Fi"},
    {0xFB02, U"Fl"},
    {0xFB03, U"Ffi"},
    {0xFB04, U"Ffl"},
    {0xFB05, U"St"},
    {0xFB06, U"St"},
    {0xFB13, U"\u0544\u0576"},
    {0xFB14, U"\u0544\u0565"},
    {0xFB15, U"\u0544\u056B"},
    {0xFB16, U"\u054E\u0576"},
    {0xFB17, U"\u0544\u056D"},
};

constexpr char32_t kSigma = 0x3A3;

void AppendFullTitlecase(char32_t c, std::string* out) {
  const auto* found = std::lower_bound(
      std::begin(kTitleCases), std::end(kTitleCases), c,
      [](const TitleCase& entry, char32_t value) { return entry.code_point < value; });
  if (found == std::end(kTitleCases) || found->code_point != c) return AppendTitlecase(c, out);
  for (const char32_t mapped : found->mapping) AppendUtf8(mapped, out);
}

/// Property Case_Ignorable: marks, formats, modifiers and what may stand inside a word.
bool IsCaseIgnorable(char32_t c) {
  static constexpr std::u32string_view kInWords =
      U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A";
  const std::string_view category = GeneralCategory(c);
  return category == "Mn" || category == "Me" || category == "Cf" || category == "Lm" ||
         category == "Sk" || kInWords.find(c) != std::u32string_view::npos;
}

/// Property Cased, of what is not Case_Ignorable.
bool IsCased(char32_t c) {
  const auto within = [c](char32_t first, char32_t last) { return first <= c && c <= last; };
  const std::string_view category = GeneralCategory(c);
  return category == "Lu" || category == "Ll" || category == "Lt" || c == 0xAA || c == 0xBA ||
         within(0x2160, 0x217F) || within(0x24B6, 0x24E9) || within(0x1F130, 0x1F149) ||
         within(0x1F150, 0x1F169) || within(0x1F170, 0x1F189);
}

/// Whether the sigma at `place` has a letter before it and none behind it.
bool IsFinal(const std::vector<char32_t>& text, std::size_t place) {
  std::size_t before = place;
  while (before > 0 && IsCaseIgnorable(text[before - 1])) --before;
  if (before == 0 || !IsCased(text[before - 1])) return false;
  std::size_t behind = place + 1;
  while (behind < text.size() && IsCaseIgnorable(text[behind])) ++behind;
  return behind == text.size() || !IsCased(text[behind]);
}

}  // namespace

std::string Capitalize(std::string_view text) {
  std::vector<char32_t> points;
  for (std::size_t place = 0; place < text.size();) points.push_back(NextCodePoint(text, &place));
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i == 0) {
      AppendFullTitlecase(points[i], &out);
    } else if (points[i] == kSigma && IsFinal(points, i)) {
      AppendUtf8(0x3C2, &out);
    } else {
      AppendLowercase(points[i], &out);
    }
  }
  return out;
}

}  // namespace roundlab
