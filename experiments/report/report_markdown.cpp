#include "experiments/report/report_markdown.h"

#include <algorithm>

#include "experiments/report/report_tables.h"

namespace roundlab {
namespace {

/// A code block by indentation, which nothing in the text can end.
std::string Block(const std::string& text) {
  std::string block = "    ";
  for (const char c : text) {
    block += c;
    if (c == '\n') block += "    ";
  }
  return block + "\n";
}

/// In a line of its own: no line breaks, and nothing that opens a tag.
std::string OneLine(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      line += ' ';
    } else if (c == '<') {
      line += "&lt;";
    } else {
      line += c;
    }
  }
  return line;
}

TextTable OneLined(TextTable table) {
  table.title.clear();
  for (auto& row : table.rows) {
    for (std::string& cell : row) cell = OneLine(cell);
  }
  return table;
}

std::string Image(const Plot& plot) {
  std::string title = OneLine(plot.title);
  std::replace_if(
      title.begin(), title.end(), [](char c) { return c == '[' || c == ']'; }, '|');
  return "![" + title + "](plots/" + plot.name + ".svg)\n";
}

std::string Images(const PlotSection& section) {
  std::string text;
  for (const Plot& plot : section.plots) text += Image(plot);
  return text + "\n";
}

std::string MarkdownFailures(const ReportData& data, const ReportParts& parts) {
  std::string text;
  for (const ReportRun& run : data.runs) {
    if (run.state != ReportState::kFailed && run.state != ReportState::kUnreadable) continue;
    text += "`" + run.outcome.id + "` " + StateText(run.state) + ", " +
            OneLine(run.places.front()) + ":\n\n" + Block(run.outcome.reason) + "\n";
    const auto losses = parts.failures.find(run.outcome.id);
    if (losses != parts.failures.end()) text += Image(losses->second) + "\n";
  }
  return text.empty() ? "" : "## Failed runs\n\n" + text;
}

std::string MarkdownProblems(const ReportData& data) {
  std::string text;
  for (const ReportProblem& problem : data.problems) {
    text += "* " + OneLine(problem.file + ": " + problem.reason) + "\n";
  }
  for (const std::string& other : data.others) {
    text += "* " + OneLine(other) + ": a run that is not of this plan\n";
  }
  return text.empty() ? "" : "## Files that are not shown\n\n" + text + "\n";
}

}  // namespace

std::string ReportMarkdown(const ReportData& data, const ReportParts& parts) {
  const std::string commits = Commits(data);
  std::string text = "# " + OneLine(data.experiment.name) + "\n\n" + Summary(data) +
                     (commits.empty() ? "" : "; made with commit " + commits) + ".\n\n" +
                     MarkdownFailures(data, parts) + MarkdownProblems(data) + "## Tables\n\n";
  for (const TextTable& table : parts.tables) {
    text += "### " + OneLine(table.title) + "\n\n" + OneLined(table).ToMarkdown() + "\n";
  }
  text += "## Plots\n\n";
  for (const PlotSection& section : parts.sections) {
    text += "### " + section.title + "\n\n" + section.note + "\n\n" + Images(section);
  }
  if (!parts.points.empty()) text += "## Tuning, point by point\n\n";
  for (const PlotSection& section : parts.points) {
    text += "### " + OneLine(section.title) + "\n\n" + Images(section);
  }
  return text + "## Runs\n\n" + OneLined(RunTable(data)).ToMarkdown() + "\n## Provenance\n\n" +
         OneLined(ProvenanceTable(data)).ToMarkdown();
}

}  // namespace roundlab
