#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace roundlab::testing {

/// A row of a table, each cell by its column's name; a cell may be empty.
using CsvRow = std::map<std::string, std::string>;

/// Rows of a table without quotes, whose first line has the names; none where there is no file.
inline std::vector<CsvRow> CsvRows(const std::string& file) {
  std::ifstream in(file);
  const auto cells = [](std::string line) {
    if (line.ends_with('\r')) line.pop_back();
    std::vector<std::string> all;
    std::istringstream row(line + ",");
    for (std::string cell; std::getline(row, cell, ',');) all.push_back(cell);
    return all;
  };
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> names = cells(line);
  std::vector<CsvRow> rows;
  while (std::getline(in, line)) {
    const std::vector<std::string> values = cells(line);
    CsvRow& row = rows.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = values.at(i);
  }
  return rows;
}

}  // namespace roundlab::testing
