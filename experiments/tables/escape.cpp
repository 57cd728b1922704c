#include "experiments/tables/escape.h"

#include <cctype>
#include <string_view>
#include <vector>

namespace roundlab {
namespace {

/// Each character that `from` has becomes the text at the same place of `to`.
std::string Escape(const std::string& text, std::string_view from,
                   const std::vector<std::string>& to) {
  std::string escaped;
  for (const char c : text) {
    const std::size_t at = from.find(c);
    if (at == std::string_view::npos) {
      escaped += c;
    } else {
      escaped += to[at];
    }
  }
  return escaped;
}

void ReplaceAll(std::string_view what, std::string_view by, std::string* text) {
  for (std::size_t at = 0; (at = text->find(what, at)) != std::string::npos; at += by.size()) {
    text->replace(at, what.size(), by);
  }
}

bool IsWord(const std::string& text, std::size_t at) {
  return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
}

/// Whether "&amp;", "&#38;" or the like begins at `at`.
bool IsEntity(const std::string& text, std::size_t at) {
  std::size_t end = at + 1;
  if (end < text.size() && text[end] == '#') ++end;
  const std::size_t name = end;
  while (IsWord(text, end)) ++end;
  return end > name && end < text.size() && text[end] == ';';
}

/// Whether Markdown would take what begins at `at` for more than the character itself.
bool MeansMore(const std::string& text, std::size_t at) {
  const char c = text[at];
  const char next = at + 1 < text.size() ? text[at + 1] : ' ';
  switch (c) {
    case '\\':  // it escapes punctuation only
      return std::ispunct(static_cast<unsigned char>(next)) != 0;
    case '&':
      return IsEntity(text, at);
    case '_':  // not inside a word
      return at == 0 || !IsWord(text, at - 1) || !IsWord(text, at + 1);
    case '~':
      return next == '~' || (at > 0 && text[at - 1] == '~');
    default:
      return c == '|' || c == '*' || c == '`' || c == '[' || c == ']';
  }
}

/// Of a tag, a comment or a link; "<0.0001" is text.
bool OpensTag(const std::string& text, std::size_t at) {
  const char next = at + 1 < text.size() ? text[at + 1] : ' ';
  return std::isalpha(static_cast<unsigned char>(next)) != 0 || next == '/' || next == '!' ||
         next == '?';
}

}  // namespace

std::string EscapeMarkdown(const std::string& text) {
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<' && OpensTag(text, i)) {
      escaped += "&lt;";
    } else if (c == '\n' || c == '\r') {
      escaped += ' ';
    } else if (!MeansMore(text, i)) {
      escaped += c;
    } else {
      escaped += c == '&' ? "&amp;" : std::string("\\") + c;
    }
  }
  return escaped;
}

std::string EscapeLatex(const std::string& text) {
  std::string escaped = Escape(
      text, "\\{}$&#_%^~<>|\n\r",
      {"\\textbackslash{}", "\\{", "\\}", "\\$", "\\&", "\\#", "\\_", "\\%", "\\textasciicircum{}",
       "\\textasciitilde{}", "\\textless{}", "\\textgreater{}", "\\textbar{}", " ", " "});
  ReplaceAll("±", "$\\pm$", &escaped);
  ReplaceAll("Δ", "$\\Delta$", &escaped);
  ReplaceAll("†", "$\\dagger$", &escaped);
  ReplaceAll("✗", "$\\times$", &escaped);
  return escaped;
}

std::string EscapeHtml(const std::string& text) {
  return Escape(text, "&<>\"'", {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"});
}

std::string EscapeCsv(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return "\"" + Escape(text, "\"", {"\"\""}) + "\"";
}

}  // namespace roundlab
