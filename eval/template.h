#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "eval/text_filters.h"

namespace roundlab {

/// A field of a document: a text, or a list of texts.
struct FieldText {
  std::vector<std::string> items;  ///< one for a text
  bool list = false;
};
using FieldTexts = std::map<std::string, FieldText>;

/// A text with places to fill: "Question: {question | strip}\nAnswer:". A place is a field's name,
/// for a list with the number of an item ({choices.0}), and filters behind bars. {{ is a brace.
class Template {
 public:
  /// Throws Error: a place that does not end, an unknown filter.
  explicit Template(const std::string& text);

  /// Throws Error: an unknown field (with the nearest), an item the list does not have, a list
  /// where a text is needed, a filter that does not fit.
  std::string Fill(const FieldTexts& fields) const;

  /// The list of a template that is one list field with filters ({endings | strip}); else a text.
  FieldText FillField(const FieldTexts& fields) const;
  /// Its texts.
  std::vector<std::string> FillAll(const FieldTexts& fields) const {
    return FillField(fields).items;
  }

 private:
  struct Part {
    std::string text;   ///< in front of the place
    std::string field;  ///< empty: none
    int item = -1;
    std::vector<TextFilter> filters;
  };
  static Part ParsePlace(std::string_view place);
  static const FieldText& Find(const Part& part, const FieldTexts& fields);
  static std::string Filtered(const Part& part, std::string text);

  std::vector<Part> parts_;
};

}  // namespace roundlab
