#include "core/text/data/csv.h"

#include "core/base/error.h"
#include "core/base/utf8.h"

namespace roundlab {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::vector<CsvRow> Parse() {
    std::vector<CsvRow> rows;
    while (place_ < text_.size()) {
      CsvRow row{line_, {}};
      do row.cells.push_back(Cell());
      while (Take(','));
      Take('\r');
      if (Take('\n')) ++line_;
      if (row.cells.size() > 1 || !row.cells.front().empty()) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool Take(char c) {
    const bool found = place_ < text_.size() && text_[place_] == c;
    if (found) ++place_;
    return found;
  }

  std::string Cell() {
    std::string cell;
    if (Take('"')) cell = Quoted();
    while (place_ < text_.size() && text_[place_] != ',' && text_[place_] != '\n' &&
           text_[place_] != '\r') {
      cell += text_[place_++];
    }
    return cell;
  }

  std::string Quoted() {
    const std::int64_t start = line_;
    std::string cell;
    while (place_ < text_.size()) {
      const char c = text_[place_++];
      if (c == '\n') ++line_;
      if (c == '"' && !Take('"')) return cell;
      cell += c;
    }
    throw Error(file_ + ":" + std::to_string(start) + ": a quote that does not end");
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t place_ = 0;
  std::int64_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> ParseCsv(std::string_view text, const std::string& file) {
  return CsvParser(BehindMark(text), file).Parse();
}

}  // namespace roundlab
