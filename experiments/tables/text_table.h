#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace roundlab {

enum class TableFormat { kMarkdown, kCsv, kLatex, kHtml };

/// Text in rows and columns, as it is printed. The first column holds labels.
struct TextTable {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::set<std::pair<std::size_t, std::size_t>> best = {};  ///< (row, column) in heavy type
  std::vector<std::string> notes = {};                      ///< lines below it

  /// Columns are padded; everything is escaped.
  std::string ToMarkdown() const;
  /// RFC 4180, header and rows only.
  std::string ToCsv() const;
  /// A booktabs `tabular` in a `table`; everything is escaped.
  std::string ToLatex() const;
  /// A <table> with caption and scopes; everything is escaped.
  std::string ToHtml() const;
  std::string To(TableFormat format) const;
};

/// markdown, csv, latex or html. Throws Error with these where there is no such format.
TableFormat ReadTableFormat(const std::string& name);

}  // namespace roundlab
