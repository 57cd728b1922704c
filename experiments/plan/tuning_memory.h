#pragma once

#include <cstdint>

#include "core/model/description.h"
#include "experiments/plan/run_config.h"

namespace roundlab {

/// What a stage holds of a unit that it tunes, bytes. Of stages that tune nothing 0.
struct TuningMemory {
  double weights = 0;    ///< as loaded, and as installed
  double gradients = 0;  ///< of what is installed and learned, and what the graph keeps a weight
  double learned = 0;    ///< with its copies and the optimizer's state
};
/// weights: of the unit. value: bytes of a value of products.
TuningMemory TuningMemoryOf(const RunConfig& run, const ModelDescription& model,
                            const StageRecipe& recipe, double weights, double value);

/// Values of a token that the forward pass of so many blocks keeps for its backward pass, and those
/// of the backward pass where they are most.
double GraphValues(const RunConfig& run, const ModelDescription& model, double blocks,
                   double value);

/// Bytes of what is computed of tokens at a time, in passes and micro-batches. rows: sequences of a
/// pass. blocks: of a unit.
double ActivationBytes(const RunConfig& run, const ModelDescription& model, std::int64_t rows,
                       double blocks, double value);

}  // namespace roundlab
