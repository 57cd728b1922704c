#pragma once

#include <string>
#include <vector>

#include "experiments/report/report_data.h"
#include "experiments/tables/text_table.h"

namespace roundlab {

/// The experiment's own tables, its ablations and targets, the overview, the protocols of
/// perplexities, what budgets of bits were spent on, and what went wrong and was handled.
std::vector<TextTable> ResultTables(const ReportData& data);

/// One row a distinct run: id, state, place in the plan, headline metrics, seconds.
TextTable RunTable(const ReportData& data);

/// What the runs' provenance says: name, value, runs that say so; a value that differs between runs
/// has a row for each, the most frequent ones first, at most eight.
TextTable ProvenanceTable(const ReportData& data);

/// "12 runs: 9 done, 2 failed, 1 not run".
std::string Summary(const ReportData& data);

/// The commits of the runs that are done, joined; "" where there is none.
std::string Commits(const ReportData& data);

}  // namespace roundlab
