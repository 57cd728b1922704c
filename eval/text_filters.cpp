#include "eval/text_filters.h"

#include <cstdint>
#include <functional>
#include <map>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/base/suggest.h"
#include "core/base/utf8.h"
#include "core/text/unicode/capitalize.h"
#include "core/text/unicode/unicode.h"

namespace roundlab {
namespace {

using Arguments = std::vector<std::string>;

std::string_view StripLeft(std::string_view text) {
  for (std::size_t place = 0; place < text.size();) {
    const std::size_t start = place;
    if (!IsPythonSpace(NextCodePoint(text, &place))) return text.substr(start);
  }
  return {};
}

std::size_t Find(const std::string& text, const std::string& what) {
  const std::size_t found = text.find(what);
  if (found == std::string::npos) throw Error("no '" + what + "' in '" + text + "'");
  return found;
}

/// Python's re.sub(r"\[.*?\]", "", text).
std::string DropBrackets(std::string_view text) {
  std::string out;
  for (std::size_t place = 0; place < text.size(); ++place) {
    const std::size_t end = text.find_first_of("]\n", place);
    if (text[place] == '[' && end != std::string_view::npos && text[end] == ']') {
      place = end;
    } else {
      out += text[place];
    }
  }
  return out;
}

std::string Wikihow(const std::string& text) {
  return Replace(DropBrackets(Replace(Strip(text), " [title]", ". ")), "  ", " ");
}

struct Filter {
  std::size_t arguments;
  std::function<std::string(const std::string&, const Arguments&)> apply;
};

const std::map<std::string, Filter>& Filters() {
  static const std::map<std::string, Filter> kFilters = {
      {"strip", {0, [](const std::string& t, const Arguments&) { return Strip(t); }}},
      {"capitalize", {0, [](const std::string& t, const Arguments&) { return Capitalize(t); }}},
      {"before",
       {1, [](const std::string& t, const Arguments& a) { return t.substr(0, Find(t, a[0])); }}},
      {"after",
       {1, [](const std::string& t,
              const Arguments& a) { return t.substr(Find(t, a[0]) + a[0].size()); }}},
      {"last_word",
       {0, [](const std::string& t, const Arguments&) { return t.substr(t.rfind(' ') + 1); }}},
      {"but_last_word",
       {0,
        [](const std::string& t, const Arguments&) {
          const std::size_t space = t.rfind(' ');
          return space == std::string::npos ? std::string() : t.substr(0, space);
        }}},
      {"replace",
       {2, [](const std::string& t, const Arguments& a) { return Replace(t, a[0], a[1]); }}},
      {"wikihow", {0, [](const std::string& t, const Arguments&) { return Wikihow(t); }}}};
  return kFilters;
}

/// Words between spaces; single quotes hold spaces together.
Arguments SplitWords(std::string_view text) {
  Arguments words;
  for (std::size_t place = 0; place < text.size();) {
    if (text[place] == ' ') {
      ++place;
    } else if (text[place] == '\'') {
      const std::size_t end = std::min(text.find('\'', place + 1), text.size());
      words.emplace_back(text.substr(place + 1, end - place - 1));
      place = end + 1;
    } else {
      const std::size_t end = std::min(text.find(' ', place), text.size());
      words.emplace_back(text.substr(place, end - place));
      place = end;
    }
  }
  return words;
}

}  // namespace

TextFilter::TextFilter(std::string_view text) : arguments_(SplitWords(text)) {
  if (!arguments_.empty()) {
    name_ = arguments_.front();
    arguments_.erase(arguments_.begin());
  }
  const auto found = Filters().find(name_);
  if (found == Filters().end()) {
    throw Error("unknown filter '" + name_ + "'" + SuggestionSuffix(name_, Keys(Filters())));
  }
  if (arguments_.size() != found->second.arguments) {
    throw Error("filter '" + name_ + "' takes " + std::to_string(found->second.arguments) +
                " arguments, got " + std::to_string(arguments_.size()));
  }
  if (!arguments_.empty() && arguments_.front().empty()) {
    throw Error("filter '" + name_ + "': its first argument is empty");
  }
}

std::string TextFilter::Apply(const std::string& text) const {
  return Filters().at(name_).apply(text, arguments_);
}

bool IsPythonSpace(char32_t c) { return IsWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

std::string StripRight(std::string_view text) {
  while (!text.empty() && IsPythonSpace(LastCodePoint(text))) {
    std::size_t end = text.size() - 1;
    while ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text = text.substr(0, end);
  }
  return std::string(text);
}

std::string Strip(std::string_view text) { return StripRight(StripLeft(text)); }

std::string Replace(std::string_view text, std::string_view from, std::string_view to) {
  ROUNDLAB_CHECK(!from.empty(), "nothing to replace");
  std::string out;
  for (std::size_t place = 0; place < text.size();) {
    const std::size_t found = text.find(from, place);
    out.append(text.substr(place, found - place));
    if (found == std::string_view::npos) break;
    out.append(to);
    place = found + from.size();
  }
  return out;
}

std::int64_t CodePoints(std::string_view text) {
  std::int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

}  // namespace roundlab
