#pragma once

#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/run/outcome.h"
#include "experiments/tables/text_table.h"

namespace roundlab {

/// Of an experiment with `ablate`: a table for each setting of the other axes. A row a component
/// (and a pair), the most damaging first: the metric without it, the damage (how much worse that is
/// than with everything, seed by seed: positive is worse), its 95 % interval and p by the paired t
/// test over seeds; without several seeds the interval is left open. Of a pair also the
/// interaction: its damage less those of its two components, 0 where they add up.
std::vector<TextTable> MakeAblationTables(const Experiment& experiment,
                                          const std::vector<RunOutcome>& outcomes);

/// The same figures as numbers, for plots; NaN where the table has "-".
struct AblationDamage {
  std::string label;  ///< "- rounding"
  double size;
  double low;  ///< 95 % interval
  double high;
};
struct AblationRanking {
  std::string setting;  ///< "width W4, seqlen 512"; empty without other axes
  std::vector<AblationDamage> damages;
};
std::vector<AblationRanking> RankAblations(const Experiment& experiment,
                                           const std::vector<RunOutcome>& outcomes);

}  // namespace roundlab
