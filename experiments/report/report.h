#pragma once

#include <string>
#include <vector>

namespace roundlab {

/// What was written, and what a caller may want to tell.
struct ReportFiles {
  std::string html;
  std::string markdown;
  std::size_t plots = 0;                ///< files in plots/
  std::size_t problems = 0;             ///< files that could not be read
  std::string summary;                  ///< "12 runs: 9 done, 3 failed"
  std::vector<std::string> mixed = {};  ///< MixedInputs
};

/// Writes OUT/report.html, OUT/report.md and OUT/plots/NAME.svg of the experiment whose runs lie in
/// `folder`; plots of an earlier report that this one does not have are removed. Throws Error where
/// `folder` is none of an experiment or `out` can't be written.
ReportFiles WriteReport(const std::string& folder, const std::string& out);

}  // namespace roundlab
