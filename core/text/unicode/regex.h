#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

/// A part of a text, in bytes; the parts of one search cover the text in order.
struct TextPart {
  std::size_t begin;
  std::size_t end;
  bool is_match;
};

/// What a normalizer or pre-tokenizer looks for: a regex in Oniguruma's Ruby syntax or a string as
/// it stands. Immutable; Find may be called from several threads.
class TextPattern {
 public:
  /// Throws Error "regex '<pattern>': ..." where it is malformed or not supported.
  static TextPattern FromRegex(std::string_view pattern);
  static TextPattern FromString(std::string text);
  ~TextPattern();
  TextPattern(TextPattern&& other) noexcept;
  TextPattern& operator=(TextPattern&& other) noexcept;

  /// The matches, leftmost first, not overlapping, and what lies between them. An empty match right
  /// behind another match does not count. `parts` is overwritten; `text` must be UTF-8.
  /// Throws Error where a match takes more than the allowed number of steps.
  void Find(std::string_view text, std::vector<TextPart>* parts) const;

 private:
  struct Compiled;
  TextPattern(std::unique_ptr<Compiled> compiled, std::string literal);
  bool Next(std::string_view text, std::size_t from, std::size_t* begin, std::size_t* end) const;

  std::unique_ptr<Compiled> compiled_;  // null: the literal
  std::string literal_;
};

}  // namespace roundlab
