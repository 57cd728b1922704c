#include "core/text/unicode/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/unicode/regex_translate.h"

namespace roundlab {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

PCRE2_SPTR Units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string MessageOf(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct TextPattern::Compiled {
  std::string pattern;
  std::unique_ptr<pcre2_code, FreeCode> code;
};

TextPattern::TextPattern(std::unique_ptr<Compiled> compiled, std::string literal)
    : compiled_(std::move(compiled)), literal_(std::move(literal)) {}
TextPattern::~TextPattern() = default;
TextPattern::TextPattern(TextPattern&& other) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&& other) noexcept = default;

TextPattern TextPattern::FromString(std::string text) {
  if (text.empty()) throw Error("an empty pattern is not supported");
  return {nullptr, std::move(text)};
}

TextPattern TextPattern::FromRegex(std::string_view pattern) {
  const std::string translated = TranslateRegex(pattern);
  const std::unique_ptr<pcre2_compile_context, FreeContext> context(
      pcre2_compile_context_create(nullptr));
  if (!context) throw Error("pcre2: out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->pattern = pattern;
  compiled->code.reset(pcre2_compile(Units(translated), translated.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset,
                                     context.get()));
  if (!compiled->code) {
    throw Error("regex '" + std::string(pattern) + "': " + MessageOf(error));
  }
  // Without JIT (an unsupported machine) the interpreter gives the same matches.
  pcre2_jit_compile(compiled->code.get(), PCRE2_JIT_COMPLETE);
  return {std::move(compiled), ""};
}

bool TextPattern::Next(std::string_view text, std::size_t from, std::size_t* begin,
                       std::size_t* end) const {
  if (!compiled_) {
    *begin = text.find(literal_, from);
    *end = *begin + literal_.size();
    return *begin != std::string_view::npos;
  }
  thread_local const std::unique_ptr<pcre2_match_data, FreeMatch> kData(
      pcre2_match_data_create(1, nullptr));
  if (!kData) throw Error("pcre2: out of memory");
  const auto match = [&](unsigned options) {
    return pcre2_match(compiled_->code.get(), Units(text), text.size(), from, options, kData.get(),
                       nullptr);
  };
  int result = match(PCRE2_NO_UTF_CHECK);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) throw Error("regex '" + compiled_->pattern + "': " + MessageOf(result));
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(kData.get());
  *begin = span[0];
  *end = span[1];
  return true;
}

void TextPattern::Find(std::string_view text, std::vector<TextPart>* parts) const {
  parts->clear();
  std::size_t from = 0;
  std::size_t covered = 0;
  std::optional<std::size_t> last_end;
  std::size_t begin = 0;
  std::size_t end = 0;
  while (from <= text.size() && Next(text, from, &begin, &end)) {
    if (begin == end && last_end == end) {
      from += from < text.size() ? Utf8Length(text[from]) : 1;
      continue;
    }
    if (covered < begin) parts->push_back({covered, begin, false});
    parts->push_back({begin, end, true});
    covered = from = end;
    last_end = end;
  }
  if (covered < text.size()) parts->push_back({covered, text.size(), false});
}

}  // namespace roundlab
