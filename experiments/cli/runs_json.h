#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/run/outcome.h"

namespace roundlab {

/// The list `runs` of `--json`: an entry an outcome, in their order, with id, folder, status,
/// points (labels and seed of all that share the run), metrics (NumberToJson) and, where there is
/// one, reason.
nlohmann::json RunsJson(const Experiment& experiment, const std::vector<RunOutcome>& outcomes);

}  // namespace roundlab
