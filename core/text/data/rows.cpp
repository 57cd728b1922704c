#include "core/text/data/rows.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/utf8.h"
#include "core/text/data/csv.h"
#include "core/text/data/json_row.h"
#include "core/text/data/parquet.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

bool Blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

void AddRow(Json value, const std::string& where, Rows* rows) {
  if (!value.is_object()) throw Error(where + ": expected a JSON object");
  rows->rows.push_back({std::move(value), where});
}

void ReadJson(const std::string& path, Rows* rows) {
  const std::string whole = ReadText(path);
  const std::string_view text = BehindMark(whole);
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string::npos && text[start] == '[') {
    Json all = ParseRow(text, path);
    for (std::size_t i = 0; i < all.size(); ++i) {
      AddRow(std::move(all[i]), path + ": row " + std::to_string(i + 1), rows);
    }
    return;
  }
  const auto lines = Lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (Blank(lines[i])) continue;
    const std::string where = path + ":" + std::to_string(i + 1);
    AddRow(ParseRow(lines[i], where), where, rows);
  }
}

void ReadParquet(const std::string& path, Rows* rows) {
  ForParquetRows(path, {}, [&](std::string_view json, std::int64_t row) {
    rows->rows.push_back({Json::parse(json), path + ":" + std::to_string(row)});
    return true;
  });
}

/// "anatomy" of ".../anatomy_test.csv".
std::string SubjectOf(const fs::path& file) {
  const std::string stem = file.stem().string();
  return stem.substr(0, stem.rfind('_'));
}

void ReadMmluFile(const fs::path& file, Rows* rows) {
  const std::string path = file.string();
  constexpr std::size_t kColumns = 6;
  for (const CsvRow& row : ParseCsv(ReadText(path), path)) {
    const std::string where = path + ":" + std::to_string(row.line);
    if (row.cells.size() != kColumns) {
      throw Error(where + ": has " + std::to_string(row.cells.size()) +
                  " cells; expected question, four choices and a letter");
    }
    const std::string& letter = row.cells[5];
    if (letter.size() != 1 || letter[0] < 'A' || letter[0] > 'D') {
      throw Error(where + ": answer is '" + letter + "'; expected A, B, C or D");
    }
    Json value = {{"subject", SubjectOf(file)}, {"question", row.cells[0]}};
    value["choices"] = std::vector<std::string>(row.cells.begin() + 1, row.cells.begin() + 5);
    value["answer"] = letter[0] - 'A';
    rows->rows.push_back({std::move(value), where});
  }
}

void ReadMmluFolder(const std::string& folder, Rows* rows) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".csv") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) ReadMmluFile(file, rows);
}

void AddLabels(const std::string& path, Rows* rows) {
  const std::string text = ReadText(path);
  const std::vector<std::string_view> lines = Lines(BehindMark(text));
  std::vector<std::size_t> labels;  // lines that are not blank
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!Blank(lines[i])) labels.push_back(i);
  }
  if (labels.size() != rows->rows.size()) {
    throw Error(path + ": has " + std::to_string(labels.size()) + " labels for the " +
                std::to_string(rows->rows.size()) + " rows of " + rows->file);
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    rows->rows[i].value["label"] = std::string(lines[labels[i]]);
    rows->rows[i].label_where = path + ":" + std::to_string(labels[i] + 1);
  }
}

}  // namespace

Rows LoadRows(const DataSource& source) {
  const DataSource file = ResolveData(source);
  Rows rows;
  rows.file = file.path;
  if (fs::is_directory(file.path)) {
    ReadMmluFolder(file.path, &rows);
  } else if (FormatOf(file) == DataFormat::kParquet) {
    ReadParquet(file.path, &rows);
  } else {
    ReadJson(file.path, &rows);
  }
  if (rows.rows.empty()) throw Error(file.path + ": no rows in it");
  if (!file.labels.empty()) AddLabels(file.labels, &rows);
  return rows;
}

}  // namespace roundlab
