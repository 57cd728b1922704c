#pragma once

#include <string>

#include "experiments/report/report_html.h"

namespace roundlab {

/// The same report as Markdown; plots are links to plots/NAME.svg.
std::string ReportMarkdown(const ReportData& data, const ReportParts& parts);

}  // namespace roundlab
