#pragma once

#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "experiments/run/outcome.h"

namespace roundlab {

/// A complete run is not made anew when a file that it read has changed since: its id is that of
/// its config. What such runs of one plan no longer have in common, a line each: the weights of a
/// model, the tokens of a calibration or of an evaluator. Empty where all were made of the same.
std::vector<std::string> MixedInputs(const Experiment& experiment,
                                     const std::vector<RunOutcome>& outcomes);

}  // namespace roundlab
