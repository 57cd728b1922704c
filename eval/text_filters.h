#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// What a task's template may do to a text, by name: `{sentence | before _ | strip}`.
/// Each follows the Python that lm-evaluation-harness (commit 008fc2a and 0.4.13) uses there.
///   strip          str.strip()
///   capitalize     str.capitalize(): the first character in title case, all others in lower case
///   before X       up to the first X; X must be there
///   after X        behind the first X; X must be there
///   last_word      behind the last space
///   but_last_word  before the last space
///   replace X Y    each X by Y
///   wikihow        lm_eval/tasks/hellaswag: stripped, " [title]" becomes ". ", bracketed
///                  parts of a line go, two spaces become one (once, left to right)
class TextFilter {
 public:
  /// From "replace _ ' '": a name and its arguments, in single quotes where they hold spaces
  /// (or, in a template, | or }).
  /// Throws Error naming the unknown filter, or a wrong number of arguments.
  explicit TextFilter(std::string_view text);

  /// Throws Error where X is not in `text`.
  std::string Apply(const std::string& text) const;

 private:
  std::string name_;
  std::vector<std::string> arguments_;
};

/// Each `from`, which is not empty, by `to`: leftmost first, not overlapping (str.replace()).
std::string Replace(std::string_view text, std::string_view from, std::string_view to);

/// White space of Python's str.isspace() and \s: Unicode's and the control codes 1C to 1F.
bool IsPythonSpace(char32_t c);

/// str.strip() and str.rstrip() of Python.
std::string Strip(std::string_view text);
std::string StripRight(std::string_view text);

/// Code points of UTF-8 text: Python's len().
std::int64_t CodePoints(std::string_view text);

}  // namespace roundlab
