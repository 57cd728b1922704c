#include "core/text/unicode/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/unicode/unicode_tables.h"

namespace roundlab {
namespace {

template <typename Range>
const Range* FindRange(std::span<const Range> ranges, char32_t code_point) {
  const auto behind =
      std::upper_bound(ranges.begin(), ranges.end(), code_point,
                       [](char32_t value, const Range& range) { return value < range.first; });
  if (behind == ranges.begin()) return nullptr;
  const Range& candidate = *(behind - 1);
  return code_point <= candidate.last ? &candidate : nullptr;
}

bool IsCircledLetter(char32_t c) {  // Alphabetic of category So
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

struct Free {
  void operator()(utf8proc_uint8_t* memory) const { std::free(memory); }
};

void AppendNormalized(std::string_view text, NormalForm form, std::string* out) {
  if (text.empty()) return;
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const int options = static_cast<int>(UTF8PROC_STABLE) |
                      static_cast<int>(compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                      (compatible ? static_cast<int>(UTF8PROC_COMPAT) : 0);
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &result, static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, Free> owner(result);
  if (length < 0) throw Error(std::string("utf8proc: ") + utf8proc_errmsg(length));
  out->append(reinterpret_cast<const char*>(result), static_cast<std::size_t>(length));
}

std::size_t AsciiRunEnd(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size() && static_cast<unsigned char>(text[end]) < 0x80) ++end;
  return end;
}

}  // namespace

std::string_view GeneralCategory(char32_t code_point) {
  if (code_point >= 0x897) {
    const UnicodeRange* newer = FindRange(NewerThanPcre2(), code_point);
    if (newer != nullptr) return newer->category;
  }
  return utf8proc_category_string(static_cast<utf8proc_int32_t>(code_point));
}

bool IsWhiteSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsWord(char32_t c) {
  if (c < 0x80) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  const std::string_view category = GeneralCategory(c);
  return category[0] == 'L' || category[0] == 'M' || category == "Nd" || category == "Nl" ||
         category == "Pc" || c == 0x200C || c == 0x200D || IsCircledLetter(c);
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return GeneralCategory(c)[0] == 'N' || (c >= 0x11DE0 && c <= 0x11DE9) ||
         (c >= 0x16FF4 && c <= 0x16FF6);
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  if (c == 0x166D || c == 0x111C9) return true;  // So and Po today
  return GeneralCategory(c)[0] == 'P' && FindRange(PunctuationSinceUnicode8(), c) == nullptr;
}

void AppendLowercase(char32_t c, std::string* out) {
  if (c == 0x130) {  // the one code point whose lower case is two
    out->append("i\xCC\x87");
    return;
  }
  for (const LowercaseRange& range : LowercaseSinceUnicode15()) {
    if (c < range.first || c > range.last) continue;
    if ((c - range.first) % static_cast<unsigned>(range.step) != 0) continue;
    AppendUtf8(static_cast<char32_t>(static_cast<int>(c) + range.offset), out);
    return;
  }
  AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

void AppendTitlecase(char32_t c, std::string* out) {
  AppendUtf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))), out);
}

// The text is cut where nothing on one side can change anything on the other. An ASCII character
// never composes with what stands before it, and what Unicode 9 does not know with nothing at all.
std::string NormalizeUnicode(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size());
  std::size_t part = 0;  // up to here, `out` is complete
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t here = position;
    std::size_t keep = here;  // what lies from here to there stays as it is
    const std::size_t run_end = AsciiRunEnd(text, here);
    if (run_end > here) {
      position = run_end;
      keep = run_end == text.size() ? run_end : run_end - 1;
    } else {
      const char32_t code_point = NextCodePoint(text, &position);
      const bool known = FindRange(UnknownToUnicode9(), code_point) == nullptr;
      if (!known) keep = position;
    }
    if (keep == here) continue;
    AppendNormalized(text.substr(part, here - part), form, &out);
    out.append(text.substr(here, keep - here));
    part = keep;
  }
  AppendNormalized(text.substr(part), form, &out);
  return out;
}

}  // namespace roundlab
