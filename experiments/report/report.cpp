#include "experiments/report/report.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

#include "core/base/atomic_file.h"
#include "core/base/files.h"
#include "experiments/report/assets.h"
#include "experiments/report/report_html.h"
#include "experiments/report/report_markdown.h"
#include "experiments/report/report_tables.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

/// Without waiting for the disk, which takes long for hundreds of plots: a report can be made
/// again.
void Write(const std::string& path, const std::string& text) {
  AtomicFile file(path, AtomicFile::Flush::kLater);
  file.Write(text);
  file.Commit();
}

/// Replaces the files of an earlier report, which plots.txt lists; the folder may have others.
std::size_t WritePlots(const std::string& folder, const ReportParts& parts) {
  MakeFolder(folder);
  std::set<std::string> stale;
  std::ifstream list(folder + "/plots.txt");
  for (std::string name; std::getline(list, name);) stale.insert(name);
  std::string names;
  std::size_t count = 0;
  const auto write = [&](const Plot& plot) {
    const std::string name = plot.name + ".svg";
    Write(folder + "/" + name, ToSvg(plot, kPlotCss));
    stale.erase(name);
    names += name + "\n";
    ++count;
  };
  for (const auto* sections : {&parts.sections, &parts.points}) {
    for (const PlotSection& section : *sections) {
      for (const Plot& plot : section.plots) write(plot);
    }
  }
  for (const auto& [id, plot] : parts.failures) write(plot);
  std::error_code none;
  for (const std::string& name : stale) {
    if (fs::path(name).filename() == name) fs::remove(folder + "/" + name, none);
  }
  Write(folder + "/plots.txt", names);
  return count;
}

}  // namespace

ReportFiles WriteReport(const std::string& folder, const std::string& out) {
  const ReportData data = GatherReport(folder);
  MakeFolder(out);
  ReportParts parts;
  parts.tables = ResultTables(data);
  if (PlotSection chosen = ChosenPlots(data); !chosen.plots.empty()) {
    parts.sections.push_back(std::move(chosen));
  }
  for (PlotSection& section : MetricPlots(data)) parts.sections.push_back(std::move(section));
  for (PlotSection& section : TuningPlots(data)) parts.sections.push_back(std::move(section));
  parts.points = PointPlots(data);
  parts.failures = FailurePlots(data);
  parts.runs = fs::relative(folder, out).string();
  ReportFiles files;
  files.html = out + "/report.html";
  files.markdown = out + "/report.md";
  files.plots = WritePlots(out + "/plots", parts);
  files.problems = data.problems.size();
  files.summary = Summary(data);
  files.mixed = data.mixed;
  Write(files.markdown, ReportMarkdown(data, parts));
  Write(files.html, ReportHtml(data, parts));
  return files;
}

}  // namespace roundlab
