#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/report/plots.h"
#include "experiments/report/report_data.h"
#include "experiments/tables/text_table.h"

namespace roundlab {

/// What a report shows besides the data, computed once for all formats.
struct ReportParts {
  std::vector<TextTable> tables;         ///< of the results
  std::vector<PlotSection> sections;     ///< over all points
  std::vector<PlotSection> points;       ///< one a point, folded away
  std::map<std::string, Plot> failures;  ///< id -> losses up to the failure
  std::string runs;                      ///< relative path from the report to the folder of runs
};

/// The whole page: style, script and plots in it, no request goes out. Failed runs come first.
std::string ReportHtml(const ReportData& data, const ReportParts& parts);

}  // namespace roundlab
