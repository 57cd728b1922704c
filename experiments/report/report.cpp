#include "experiments/report/report.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

#include "core/base/error.h"
#include "core/base/files.h"
#include "experiments/report/assets.h"
#include "experiments/report/report_html.h"
#include "experiments/report/report_markdown.h"
#include "experiments/report/report_tables.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

/// As WriteFileAtomically, but without waiting for the disk, which takes long for hundreds of
/// plots: a report can be made again. Two calls at once write parts of their own.
void Write(const std::string& path, const std::string& text) {
  const std::string part = path + "." + std::to_string(getpid()) + ".part";
  std::ofstream file(part, std::ios::binary);
  errno = 0;
  file << text << std::flush;
  std::error_code failure;
  if (!file) failure.assign(errno == 0 ? EIO : errno, std::generic_category());
  file.close();
  if (!failure) fs::rename(part, path, failure);
  if (!failure) return;
  std::error_code none;
  fs::remove(part, none);
  throw Error(path + ": cannot write: " + failure.message());
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
  Write(files.markdown, ReportMarkdown(data, parts));
  Write(files.html, ReportHtml(data, parts));
  return files;
}

}  // namespace roundlab
