#include "experiments/report/report_markdown.h"

#include "experiments/report/report_tables.h"
#include "experiments/tables/escape.h"

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

/// The heading above it has its title.
TextTable Untitled(TextTable table) {
  table.title.clear();
  return table;
}

std::string Image(const Plot& plot) {
  return "![" + EscapeMarkdown(plot.title) + "](plots/" + plot.name + ".svg)\n";
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
            EscapeMarkdown(run.places.front()) + ":\n\n" + Block(run.outcome.reason) + "\n";
    const auto losses = parts.failures.find(run.outcome.id);
    if (losses != parts.failures.end()) text += Image(losses->second) + "\n";
  }
  return text.empty() ? "" : "## Failed runs\n\n" + text;
}

std::string MarkdownProblems(const ReportData& data) {
  std::string text;
  for (const ReportProblem& problem : data.problems) {
    text += "* " + EscapeMarkdown(problem.file + ": " + problem.reason) + "\n";
  }
  for (const std::string& other : data.others) {
    text += "* " + EscapeMarkdown(other) + ": a run that is not of this plan\n";
  }
  return text.empty() ? "" : "## Files that are not shown\n\n" + text + "\n";
}

}  // namespace

std::string ReportMarkdown(const ReportData& data, const ReportParts& parts) {
  const std::string commits = Commits(data);
  std::string text = "# " + EscapeMarkdown(data.experiment.name) + "\n\n" + Summary(data) +
                     (commits.empty() ? "" : "; made with commit " + commits) + ".\n\n" +
                     MarkdownFailures(data, parts) + MarkdownProblems(data) + "## Tables\n\n";
  for (const TextTable& table : parts.tables) {
    text += "### " + EscapeMarkdown(table.title) + "\n\n" + Untitled(table).ToMarkdown() + "\n";
  }
  text += "## Plots\n\n";
  for (const PlotSection& section : parts.sections) {
    text += "### " + section.title + "\n\n" + section.note + "\n\n" + Images(section);
  }
  if (!parts.points.empty()) text += "## Tuning, point by point\n\n";
  for (const PlotSection& section : parts.points) {
    text += "### " + EscapeMarkdown(section.title) + "\n\n" + Images(section);
  }
  text += "## Runs\n\n" + Untitled(RunTable(data)).ToMarkdown() + "\n## Provenance\n\n";
  for (const std::string& line : data.mixed) {
    text += "Not to be compared: " + EscapeMarkdown(line) + ".\n\n";
  }
  return text + Untitled(ProvenanceTable(data)).ToMarkdown();
}

}  // namespace roundlab
