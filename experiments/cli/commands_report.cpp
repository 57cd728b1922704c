#include <cstdio>
#include <filesystem>

#include "experiments/cli/commands.h"
#include "experiments/report/report.h"

namespace roundlab {

int ReportCommand(const CommandLine& line) {
  RequireArguments(line, 1);
  const std::string& folder = line.arguments[0];
  const ReportFiles files = WriteReport(
      folder, line.out_given ? line.out : (std::filesystem::path(folder) / "report").string());
  std::printf("%s\n%s\n", files.html.c_str(), files.markdown.c_str());
  TellMixed(files.mixed);
  if (line.quiet) return 0;
  std::fprintf(stderr, "%s; %zu plots\n", files.summary.c_str(), files.plots);
  if (files.problems > 0) {
    std::fprintf(stderr, "%zu files could not be read; the report names them\n", files.problems);
  }
  return 0;
}

}  // namespace roundlab
