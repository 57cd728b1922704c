#pragma once

#include "core/model/description.h"
#include "experiments/plan/experiment.h"
#include "experiments/plan/run_config.h"

namespace roundlab {

/// What can be known of runs before the first one starts: each model resolves, its description,
/// tensor index and tokenizer open; layers that quant names are there; no sequence is longer than
/// the model's context; data files can be read and hold text, enough of it for the calibration and
/// for each evaluator. Weights are not read. Throws Error with all that is wrong, one problem a
/// line; what is wrong between a model and some runs only begins with the label of the first.
void CheckInputs(const Experiment& experiment);

/// The part of it that the descriptions of models say, of those that are here. Throws Error alike.
void CheckShapes(const Experiment& experiment);

/// The same of one run: what a model's description decides about the rounding. Throws Error.
void CheckAgainstModel(const RunConfig& run, const ModelDescription& model);

}  // namespace roundlab
