#pragma once

#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/run/outcome.h"
#include "experiments/tables/text_table.h"

namespace roundlab {

enum class TargetVerdict {
  kWithin,        ///< inside the tolerance
  kOutside,       ///< outside
  kNotRun,        ///< no complete run
  kFailed,        ///< the run has failed
  kAbsent,        ///< Roundlab has no such run (targets.absent says why)
  kNotAvailable,  ///< the paper's figure is not known
  kNotPlanned     ///< left out by where, except or --only
};

/// One published figure and ours.
struct TargetResult {
  const TargetCell* cell = nullptr;
  TargetVerdict verdict = TargetVerdict::kNotRun;
  double published = 0;  ///< in the file's units, as all here; NaN where not available
  double ours = 0;       ///< mean over seeds and metrics; NaN where there is none
  double tolerance = 0;
};

/// Whether there is a figure of ours.
bool IsMeasured(const TargetResult& result);

/// Compares every published figure with the runs there are.
/// tolerance = digits * 10^-d + relative * |published| + errors * standard error of ours, with d
/// the decimals printed; the standard error is that of the evaluation, of a mean of m metrics
/// sqrt(sum se^2) / m.
std::vector<TargetResult> CompareWithTargets(const Experiment& experiment,
                                             const std::vector<RunOutcome>& outcomes);

/// A row a row of the file that a run stands for, a column a metric: "62.62 (62.36)" is ours and
/// the published one, "- (62.36)" is not run, "✗" marks what is outside; what has a figure of ours
/// comes first. Then a count of each verdict.
TextTable MakeTargetTable(const Experiment& experiment, const std::vector<TargetResult>& results);

/// The same for programs, a row a figure.
TextTable MakeLongTargetTable(const Experiment& experiment,
                              const std::vector<TargetResult>& results);

/// "within", "outside", "not run", "failed", "no run here", "paper: not available",
/// "not planned".
std::string VerdictName(TargetVerdict verdict);

}  // namespace roundlab
