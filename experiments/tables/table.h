#pragma once

#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/run/outcome.h"
#include "experiments/tables/text_table.h"

namespace roundlab {

/// A table of the experiment: in each cell the mean over the seeds, with its 95 % interval where
/// there are several; "nan" or "inf" where it is not finite; "failed" or "not run" where a run is
/// missing, "-" where it did not measure this. Axes that the table does not
/// name are part of the row's label. The best mean of a column is marked, models as they are
/// (no pipeline) apart; "†" tells what differs from `compare_to`.
TextTable MakeTable(const Experiment& experiment, const TableSpec& spec,
                    const std::vector<RunOutcome>& outcomes);

/// The same for programs: a row a cell with mean (nan, inf and -inf by name), half width of the
/// interval, n, p and status; what is not there or undefined is empty.
TextTable MakeLongTable(const Experiment& experiment, const TableSpec& spec,
                        const std::vector<RunOutcome>& outcomes);

/// One row a point of the plan (seeds together): every perplexity, accuracy and divergence, bits a
/// weight, seconds, memory.
TextTable MakeOverview(const Experiment& experiment, const std::vector<RunOutcome>& outcomes);

/// Perplexities, accuracies and divergences that any of the runs measured.
std::vector<std::string> HeadlineMetrics(const std::vector<RunOutcome>& outcomes);

/// Where the runs' `eval` has more than one perplexity of the same data: a table a data set, a row
/// a protocol, of what makes their numbers differ. Of the first run of the plan that is complete.
std::vector<TextTable> MakeProtocolTables(const Experiment& experiment,
                                          const std::vector<RunOutcome>& outcomes);

}  // namespace roundlab
