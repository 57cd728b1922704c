#include "experiments/tables/terminal_table.h"

#include <algorithm>
#include <vector>

#include "experiments/tables/text_width.h"

namespace roundlab {
namespace {

constexpr std::size_t kGap = 2;       // between columns
constexpr std::size_t kLongest = 24;  // of a line in a cell that can be broken

/// Pieces that a line may end after: words, and parts of a path or a list.
std::vector<std::string> Pieces(const std::string& text) {
  std::vector<std::string> pieces(1);
  for (const char c : text) {
    if (c == '\n' || c == ' ') {
      pieces.back() += ' ';
      pieces.emplace_back();
    } else {
      pieces.back() += c;
      if (c == '/' || c == ',') pieces.emplace_back();
    }
  }
  return pieces;
}

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// The text in lines of at most `width` characters, broken between pieces where that is possible.
std::vector<std::string> Wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  for (std::string piece : Pieces(text)) {
    if (TextWidth(lines.back()) + TextWidth(Trimmed(piece)) > width && !lines.back().empty()) {
      lines.emplace_back();
    }
    while (TextWidth(Trimmed(piece)) > width) {
      const std::size_t end = BytesOf(piece, width);
      lines.back() = piece.substr(0, end);
      piece.erase(0, end);
      lines.emplace_back();
    }
    lines.back() += piece;
  }
  for (std::string& line : lines) line = Trimmed(line);
  if (lines.size() > 1 && lines.back().empty()) lines.pop_back();
  return lines;
}

/// A table's cells by column, each in lines.
class Layout {
 public:
  Layout(const TextTable& table, std::size_t width) : width_(std::max<std::size_t>(width, 20)) {
    for (std::size_t c = 0; c < table.header.size(); ++c) {
      std::vector<std::string> texts = {table.header[c]};
      for (std::size_t r = 0; r < table.rows.size(); ++r) {
        const std::string mark = table.best.count({r, c}) != 0 ? "*" : "";
        texts.push_back(c < table.rows[r].size() ? mark + table.rows[r][c] : "");
      }
      AddColumn(texts);
    }
  }

  std::string Text() const {
    std::string text;
    for (std::size_t begin = 1; begin < columns_.size() || text.empty();) {
      std::size_t end = begin;
      std::size_t used = columns_.empty() ? 0 : columns_[0].width;
      while (end < columns_.size() &&
             (end == begin || used + kGap + columns_[end].width <= width_)) {
        used += kGap + columns_[end++].width;
      }
      text += (text.empty() ? "" : "\n") + Block(begin, end);
      begin = std::max(end, begin + 1);
    }
    return text;
  }

 private:
  struct Column {
    std::size_t width = 0;
    std::vector<std::vector<std::string>> cells;  // the header first
  };

  /// Labels may take two fifths of the line, another column what they leave.
  void AddColumn(const std::vector<std::string>& texts) {
    const bool labels = columns_.empty();
    const std::size_t room =
        labels ? std::max<std::size_t>(width_ * 2 / 5, 8) : width_ - columns_[0].width - kGap;
    std::size_t longest = 0;  // of the body
    for (std::size_t i = 1; i < texts.size(); ++i) {
      longest = std::max(longest, TextWidth(texts[i]));
    }
    // A header is no reason to be wider than the body, unless a word of it is.
    std::size_t most =
        labels ? room : std::min(room, std::max(kLongest, std::min(longest, kLongest)));
    Column column;
    if (!labels && longest < most) {
      std::size_t piece = 0;
      for (const std::string& p : Pieces(texts[0])) piece = std::max(piece, TextWidth(Trimmed(p)));
      most = std::min(most, std::max(longest, piece));
    }
    for (const std::string& text : texts) {
      column.cells.push_back(Wrapped(text, std::max<std::size_t>(most, 1)));
      for (const std::string& line : column.cells.back()) {
        column.width = std::max(column.width, TextWidth(line));
      }
    }
    columns_.push_back(std::move(column));
  }

  /// Labels and the columns of [begin, end).
  std::string Block(std::size_t begin, std::size_t end) const {
    std::vector<const Column*> shown;
    if (!columns_.empty()) shown.push_back(&columns_[0]);
    for (std::size_t c = begin; c < end; ++c) shown.push_back(&columns_[c]);
    std::string text;
    for (std::size_t r = 0; !shown.empty() && r < shown[0]->cells.size(); ++r) {
      std::size_t height = 1;
      for (const Column* column : shown) height = std::max(height, column->cells[r].size());
      for (std::size_t line = 0; line < height; ++line) text += Line(shown, r, line, height);
      if (r > 0) continue;
      std::string rule;
      for (const Column* column : shown) {
        rule +=
            (rule.empty() ? "" : "  ") + std::string(std::max<std::size_t>(column->width, 1), '-');
      }
      text += rule + "\n";
    }
    return text;
  }

  /// Labels begin at the left and at the top, headers end at the rule, figures at the right.
  static std::string Line(const std::vector<const Column*>& shown, std::size_t row,
                          std::size_t line, std::size_t height) {
    std::string text;
    for (std::size_t c = 0; c < shown.size(); ++c) {
      const auto& cell = shown[c]->cells[row];
      const std::size_t above = row == 0 ? height - cell.size() : 0;
      const bool there = line >= above && line - above < cell.size();
      const std::string part = there ? cell[line - above] : "";
      const std::string pad(shown[c]->width - TextWidth(part), ' ');
      text += (c == 0 ? part + pad : "  " + pad + part);
    }
    return Trimmed(text) + "\n";
  }

  std::size_t width_;
  std::vector<Column> columns_;
};

std::string Paragraph(const std::string& text, std::size_t width) {
  std::string joined;
  for (const std::string& line : Wrapped(text, width)) joined += line + "\n";
  return joined;
}

}  // namespace

std::string TerminalTable(const TextTable& table, std::size_t width) {
  std::string text = table.title.empty() ? "" : Paragraph(table.title, width) + "\n";
  text += Layout(table, width).Text();
  if (!table.best.empty()) text += "\n* the best of its column\n";
  for (const std::string& note : table.notes) text += "\n" + Paragraph(note, width);
  return text;
}

}  // namespace roundlab
