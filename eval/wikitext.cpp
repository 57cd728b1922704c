#include "eval/wikitext.h"

#include <algorithm>
#include <utility>

#include "core/base/utf8.h"
#include "eval/text_filters.h"

namespace roundlab {
namespace {

/// open \s* (anything but close) \s* close -> open (the same, stripped) close.
void TrimInside(char open, char close, std::string* text) {
  std::string out;
  std::size_t begin = 0;
  while (true) {
    const std::size_t left = text->find(open, begin);
    if (left == std::string::npos) break;
    const std::size_t right = text->find(close, left + 1);
    if (right == std::string::npos) break;
    out.append(*text, begin, left + 1 - begin);
    out.append(Strip(std::string_view(*text).substr(left + 1, right - left - 1)));
    out += close;
    begin = right + 1;
  }
  *text = out.append(*text, begin);
}

/// re.sub(r"/' [0-9]/", r"/'[0-9]/"): slashes mean themselves, and so do brackets of what comes in.
void ReplaceSlashedDigits(std::string* text) {
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at = 0; (at = text->find("/' ", at)) != std::string::npos; ++at) {
    if (at + 4 >= text->size() || (*text)[at + 4] != '/') continue;
    if ((*text)[at + 3] < '0' || (*text)[at + 3] > '9') continue;
    out.append(*text, begin, at - begin).append("/'[0-9]/");
    begin = at + 5;
    at += 4;
  }
  *text = out.append(*text, begin);
}

bool IsHeading(std::string_view line) {
  const std::string heading = Strip(Replace(Replace(line, "= = =", "==="), "= =", "=="));
  return heading.substr(0, 2) == "= " && heading.size() >= 2 &&
         heading.substr(heading.size() - 2) == " =";
}

}  // namespace

std::string WikitextFile(const std::vector<std::string>& rows) {
  std::string file;
  for (const std::string& row : rows) {
    file += row.empty() ? " " : row;
    if (file.back() != '\n') file += '\n';
  }
  return file;
}

std::vector<std::string> WikitextPages(std::string_view file) {
  std::vector<std::string> pages;
  std::size_t page = 0;
  const auto finish = [&](std::size_t end) {
    const std::string_view text = file.substr(page, end - page);
    if (!Strip(text).empty()) pages.emplace_back(text);
  };
  for (std::size_t begin = 0; begin < file.size();) {
    const std::size_t end = std::min(file.find('\n', begin), file.size());
    if (IsHeading(file.substr(begin, end - begin))) {
      // The newline in front of a heading belongs to neither page.
      if (begin > 0) finish(begin - 1);
      page = begin;
    }
    begin = end + 1;
  }
  finish(file.size());
  return pages;
}

std::string DetokenizeWikitext(std::string_view page) {
  std::string text = Replace(page, "s '", "s'");
  ReplaceSlashedDigits(&text);
  for (const char* mark : {"-", ",", "."}) {
    text = Replace(text, std::string(" @") + mark + "@ ", mark);
  }
  for (const char* mark : {":", ";", ".", "!", "?", ","}) {
    text = Replace(text, std::string(" ") + mark + " ", std::string(mark) + " ");
  }
  for (const char* marks : {"()", "[]", "{}", "\"\"", "''"}) TrimInside(marks[0], marks[1], &text);
  const std::pair<const char*, const char*> rest[] = {
      {"= = = =", "===="}, {"= = =", "==="}, {"= =", "=="},  {" \u00B0 ", "\u00B0"},
      {" \n", "\n"},       {"\n ", "\n"},    {" N ", " 1 "}, {" 's", "'s"}};
  for (const auto& [from, to] : rest) text = Replace(text, from, to);
  return text;
}

std::int64_t CountWords(std::string_view text) {
  std::int64_t words = 1;
  bool in_space = false;
  for (std::size_t at = 0; at < text.size();) {
    const bool space = IsPythonSpace(NextCodePoint(text, &at));
    if (space && !in_space) ++words;
    in_space = space;
  }
  return words;
}

}  // namespace roundlab
