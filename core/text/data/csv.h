#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

struct CsvRow {
  std::int64_t line = 0;  ///< at which it begins, from 1
  std::vector<std::string> cells;
};

/// Rows of a CSV text as RFC 4180 has it: cells between commas, in double quotes where they hold
/// commas, line breaks or (doubled) quotes; lines end in LF or CRLF; empty lines are left out.
/// Throws Error "<file>:<line>: ..." for a quote that does not end.
std::vector<CsvRow> ParseCsv(std::string_view text, const std::string& file);

}  // namespace roundlab
