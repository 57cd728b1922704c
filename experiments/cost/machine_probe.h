#pragma once

#include "core/model/description.h"
#include "experiments/cost/cost_model.h"
#include "experiments/plan/run_config.h"

namespace roundlab {

/// The machine at hand for a run, found in one to three seconds: products of the model's own
/// shapes, a pass over memory, many small operations, and, for a run that tunes, two steps of its
/// own scheme, optimizer and batch on one block of random weights. Large blocks and batches are
/// made smaller; the cost model carries the result over (Hardware::tune_factor).
Hardware ProbeMachine(const RunConfig& run, const ModelDescription& model);

}  // namespace roundlab
