#include "experiments/report/report_html.h"

#include <algorithm>

#include "core/metrics/provenance.h"
#include "experiments/report/assets.h"
#include "experiments/report/markup.h"
#include "experiments/report/report_tables.h"
#include "experiments/run/commit.h"

namespace roundlab {
namespace {

// What is more is folded away.
constexpr std::size_t kOpenPlots = 6;  // of a section
constexpr std::size_t kOpenFailures = 10;

std::string Wrapped(const std::string& table, const std::string& label) {
  return "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" + Markup(label) +
         "\">\n" + table + "</div>\n";
}

/// A path of folders in a link: what is special in one is escaped (RFC 3986).
std::string Link(const std::string& path) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string link;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '.' || c == '-' || c == '_' || c == '~';
    if (plain) {
      link += c;
    } else {
      link += std::string("%") + kHex[byte >> 4U] + kHex[byte & 15U];
    }
  }
  return link;
}

std::string Section(const std::string& id, const std::string& title, const std::string& content) {
  return "<section aria-labelledby=\"" + id + "\"><h2 id=\"" + id + "\">" + title + "</h2>\n" +
         content + "</section>\n";
}

std::string Failure(const ReportRun& run, const ReportParts& parts) {
  const std::string& id = run.outcome.id;
  const std::size_t others = run.places.size() - 1;
  std::string text = "<h3>" + std::string(StateText(run.state)) + ": <a href=\"" +
                     Link(parts.runs + "/" + id) + "/\"><code>" + Markup(id) +
                     "</code></a> <span class=\"soft\">" + Markup(run.places.front()) +
                     (others > 0 ? " and " + std::to_string(others) + " more" : "") +
                     "</span></h3>\n<pre>" + Markup(run.outcome.reason) + "</pre>\n";
  const auto losses = parts.failures.find(id);
  if (losses == parts.failures.end()) return text;
  return text + "<details><summary>losses up to there</summary><div class=\"plots\"><figure>" +
         ToSvg(losses->second, "") + "</figure></div></details>\n";
}

std::string HtmlFailures(const ReportData& data, const ReportParts& parts) {
  std::string open;
  std::string folded;
  std::size_t count = 0;
  for (const ReportRun& run : data.runs) {
    if (run.state != ReportState::kFailed && run.state != ReportState::kUnreadable) continue;
    (count < kOpenFailures ? open : folded) += Failure(run, parts);
    ++count;
  }
  if (count == 0) return "";
  if (count > kOpenFailures) {
    open += "<details><summary>" + std::to_string(count - kOpenFailures) + " more</summary>\n" +
            folded + "</details>\n";
  }
  return Section("failed", "Failed runs", "<div class=\"bad\">" + open + "</div>\n");
}

std::string HtmlProblems(const ReportData& data) {
  std::string list;
  for (const ReportProblem& problem : data.problems) {
    list += "<li><code>" + Markup(problem.file) + "</code>: " + Markup(problem.reason) + "</li>\n";
  }
  std::string text;
  if (!list.empty()) {
    text = "<p>Left out of this report, " + std::to_string(data.problems.size()) +
           " in all; nothing was changed or deleted.</p>\n<ul>\n" + list + "</ul>\n";
  }
  if (!data.others.empty()) {
    text += "<p>Folders of runs that are not of this plan, not shown: ";
    for (std::size_t i = 0; i < data.others.size(); ++i) {
      text += (i == 0 ? "<code>" : ", <code>") + Markup(data.others[i]) + "</code>";
    }
    text += "</p>\n";
  }
  return text.empty() ? "" : Section("problems", "Files that are not shown", text);
}

std::string Tables(const ReportParts& parts) {
  std::string text;
  for (const TextTable& table : parts.tables) {
    text += Wrapped(table.ToHtml(), "table: " + table.title);
  }
  return Section("tables", "Tables", text);
}

std::string Figures(const std::vector<Plot>& plots, std::size_t first, std::size_t end) {
  std::string text = "<div class=\"plots\">\n";
  for (std::size_t i = first; i < end; ++i) {
    text += "<figure>" + ToSvg(plots[i], "") + "</figure>\n";
  }
  return text + "</div>\n";
}

std::string Figures(const PlotSection& section) {
  const std::size_t count = section.plots.size();
  const std::size_t open = std::min(count, kOpenPlots);
  std::string text = Figures(section.plots, 0, open);
  if (open == count) return text;
  return text + "<details><summary>" + std::to_string(count - open) + " more</summary>\n" +
         Figures(section.plots, open, count) + "</details>\n";
}

std::string Plots(const ReportParts& parts) {
  std::string text;
  for (const PlotSection& section : parts.sections) {
    text += "<h3>" + Markup(section.title) + "</h3>\n<p class=\"note\">" + Markup(section.note) +
            "</p>\n" + Figures(section);
  }
  std::string page = text.empty() ? "" : Section("plots", "Plots", text);
  std::string folded;
  for (const PlotSection& section : parts.points) {
    folded += "<details><summary>" + Markup(section.title) + "</summary>\n" + Figures(section) +
              "</details>\n";
  }
  if (!folded.empty()) {
    page += Section(
        "points", "Tuning, point by point",
        "<p class=\"note\">Means over seeds; curves are means over neighbouring steps.</p>\n" +
            folded);
  }
  return page;
}

/// The runs' table with links and states that can be told apart at a glance.
std::string Runs(const ReportData& data, const ReportParts& parts) {
  const TextTable table = RunTable(data);
  std::string text = "<table>\n<thead><tr>";
  for (std::size_t c = 0; c < table.header.size(); ++c) {
    text += std::string("<th scope=\"col\"") + (c == 2 ? " class=\"text\">" : ">") +
            Markup(table.header[c]) + "</th>";
  }
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr><th scope=\"row\"><a href=\"" + Link(parts.runs + "/" + row[0]) + "/\"><code>" +
            Markup(row[0]) + "</code></a></th><td class=\"" + row[1].substr(0, row[1].find(' ')) +
            "\">" + row[1] + "</td><td class=\"text\">" + Markup(row[2]) + "</td>";
    for (std::size_t c = 3; c < row.size(); ++c) text += "<td>" + Markup(row[c]) + "</td>";
    text += "</tr>\n";
  }
  return Section("runs", "Runs", Wrapped(text + "</tbody>\n</table>\n", "table: runs"));
}

std::string Provenances(const ReportData& data) {
  const TextTable table = ProvenanceTable(data);
  std::string text =
      "<table>\n<thead><tr><th scope=\"col\">entry</th><th scope=\"col\" "
      "class=\"text\">value</th><th scope=\"col\">runs</th></tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr><th scope=\"row\">" + Markup(row[0]) + "</th><td class=\"text\">" +
            Markup(row[1]) + "</td><td>" + row[2] + "</td></tr>\n";
  }
  std::string mixed;
  for (const std::string& line : data.mixed) {
    mixed += "<p>Not to be compared: " + Markup(line) + ".</p>\n";
  }
  return Section("provenance", "Provenance",
                 mixed + Wrapped(text + "</tbody>\n</table>\n", "table: provenance") +
                     "<details><summary>The experiment, with all that it extends</summary><pre>" +
                     Markup(data.experiment.resolved) + "</pre></details>\n");
}

std::string Counts(const ReportData& data) {
  std::string text = "<ul class=\"counts\" aria-label=\"runs by state\">\n<li><b>" +
                     std::to_string(data.runs.size()) + "</b> runs</li>\n";
  for (const ReportState state :
       {ReportState::kDone, ReportState::kFailed, ReportState::kUnreadable,
        ReportState::kUnfinished, ReportState::kNotRun}) {
    if (data.Count(state) == 0) continue;
    const std::string name = StateText(state);
    text += "<li class=\"" + name.substr(0, name.find(' ')) + "\"><b>" +
            std::to_string(data.Count(state)) + "</b> " + name + "</li>\n";
  }
  return text + "</ul>\n";
}

std::string Navigation(const std::string& main) {
  std::string text = "<nav aria-label=\"sections\"><ul>";
  for (const auto& [id, title] :
       {std::pair{"failed", "Failed runs"}, std::pair{"problems", "Files not shown"},
        std::pair{"tables", "Tables"}, std::pair{"plots", "Plots"}, std::pair{"points", "Points"},
        std::pair{"runs", "Runs"}, std::pair{"provenance", "Provenance"}}) {
    if (main.find("<h2 id=\"" + std::string(id) + "\"") == std::string::npos) continue;
    text += "<li><a href=\"#" + std::string(id) + "\">" + title + "</a></li>";
  }
  return text + "</ul></nav>\n";
}

}  // namespace

std::string ReportHtml(const ReportData& data, const ReportParts& parts) {
  const std::string name = Markup(data.experiment.name);
  const std::string commits = Commits(data);
  const std::string main = HtmlFailures(data, parts) + HtmlProblems(data) + Tables(parts) +
                           Plots(parts) + Runs(data, parts) + Provenances(data);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
         "<link rel=\"icon\" href=\"data:,\">\n<title>" +
         name + " - Roundlab report</title>\n<style>\n" + kPageCss + kPlotCss +
         "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n"
         "<header><h1>" +
         name + "</h1>\n<p class=\"soft\">" + Markup(data.folder) +
         (commits.empty() ? "" : ", made with commit " + Markup(commits)) + "</p>\n" +
         Counts(data) + Navigation(main) + "</header>\n<main id=\"main\">\n" + main +
         "</main>\n<footer>Roundlab " + Markup(Commit()) + ", " + TimeNow() +
         "</footer>\n<div id=\"value\" role=\"status\" aria-live=\"polite\"></div>\n<script>\n" +
         kPageJs + "</script>\n</body>\n</html>\n";
}

}  // namespace roundlab
