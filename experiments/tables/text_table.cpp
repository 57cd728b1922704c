#include "experiments/tables/text_table.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/config/enum_names.h"
#include "experiments/tables/escape.h"
#include "experiments/tables/text_width.h"

namespace roundlab {
namespace {

std::string JoinedCsv(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) line += (i == 0 ? "" : ",") + EscapeCsv(cells[i]);
  return line + "\n";
}

}  // namespace

std::string TextTable::ToMarkdown() const {
  std::vector<std::vector<std::string>> lines(1);
  for (const std::string& cell : header) lines[0].push_back(EscapeMarkdown(cell));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    auto& line = lines.emplace_back();
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const std::string cell = EscapeMarkdown(rows[r][c]);
      line.push_back(best.count({r, c}) != 0 ? "**" + cell + "**" : cell);
    }
  }
  std::vector<std::size_t> widths(header.size(), 3);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], TextWidth(line[i]));
  }
  std::string text = title.empty() ? "" : EscapeMarkdown(title) + "\n\n";
  for (std::size_t r = 0; r < lines.size(); ++r) {
    text += "|";
    for (std::size_t i = 0; i < lines[r].size(); ++i) {
      text += " " + lines[r][i] + std::string(widths[i] - TextWidth(lines[r][i]), ' ') + " |";
    }
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (std::size_t i = 0; i < widths.size(); ++i) {
      text += std::string(widths[i] + 1, '-') + (i == 0 ? "-|" : ":|");
    }
    text += "\n";
  }
  for (const std::string& note : notes) text += "\n" + EscapeMarkdown(note) + "\n";
  return text;
}

std::string TextTable::ToCsv() const {
  std::string text = JoinedCsv(header);
  for (const auto& row : rows) text += JoinedCsv(row);
  return text;
}

std::string TextTable::ToLatex() const {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text;
    for (const std::string& cell : cells) text += (&cell == cells.data() ? "" : " & ") + cell;
    // A row that begins so would be the option of what ends the one before.
    if (text.starts_with('[') || text.starts_with('*')) text.insert(0, "{}");
    return text + " \\\\\n";
  };
  std::vector<std::string> head;
  for (const std::string& cell : header) head.push_back(EscapeLatex(cell));
  std::string text = "\\begin{table}\n\\centering\n";
  if (!title.empty()) text += "\\caption{" + EscapeLatex(title) + "}\n";
  text += "\\begin{tabular}{l" + std::string(header.empty() ? 0 : header.size() - 1, 'r') +
          "}\n\\toprule\n" + line(head) + "\\midrule\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<std::string> cells;
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const std::string cell = EscapeLatex(rows[r][c]);
      cells.push_back(best.count({r, c}) != 0 ? "\\textbf{" + cell + "}" : cell);
    }
    text += line(cells);
  }
  text += "\\bottomrule\n\\end{tabular}\n";
  for (const std::string& note : notes) text += "\n" + EscapeLatex(note) + "\n";
  return text + "\\end{table}\n";
}

std::string TextTable::ToHtml() const {
  std::string text = "<table>\n";
  if (!title.empty()) text += "<caption>" + EscapeHtml(title) + "</caption>\n";
  text += "<thead><tr>";
  for (const std::string& cell : header) text += "<th scope=\"col\">" + EscapeHtml(cell) + "</th>";
  text += "</tr></thead>\n<tbody>\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    text += "<tr>";
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const std::string cell = EscapeHtml(rows[r][c]);
      if (c == 0) {
        text += "<th scope=\"row\">" + cell + "</th>";
      } else {
        text += best.count({r, c}) != 0 ? "<td><strong>" + cell + "</strong></td>"
                                        : "<td>" + cell + "</td>";
      }
    }
    text += "</tr>\n";
  }
  text += "</tbody>\n</table>\n";
  for (const std::string& note : notes) text += "<p class=\"note\">" + EscapeHtml(note) + "</p>\n";
  return text;
}

std::string TextTable::To(TableFormat format) const {
  switch (format) {
    case TableFormat::kCsv:
      return ToCsv();
    case TableFormat::kLatex:
      return ToLatex();
    case TableFormat::kHtml:
      return ToHtml();
    case TableFormat::kMarkdown:
      break;
  }
  return ToMarkdown();
}

TableFormat ReadTableFormat(const std::string& name) {
  static const EnumNames<TableFormat> kNames = {{TableFormat::kMarkdown, "markdown"},
                                                {TableFormat::kCsv, "csv"},
                                                {TableFormat::kLatex, "latex"},
                                                {TableFormat::kHtml, "html"}};
  const auto format = EnumValue(name, kNames);
  if (format) return *format;
  throw Error("unknown table format '" + name + "'" + SuggestionSuffix(name, NamesOf(kNames)));
}

}  // namespace roundlab
