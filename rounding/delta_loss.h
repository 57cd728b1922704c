#pragma once

#include <string>
#include <vector>

#include "core/base/log.h"
#include "rounding/model_gradients.h"

namespace roundlab {

/// What rounding a layer is expected to cost the language model.
struct LayerSensitivity {
  std::string name;  ///< "model.layers.0.mlp.up_proj"
  double score = 0;  ///< sum over batches of sum |g (W - W^)|, in nats a token
};

struct Sensitivities {
  std::vector<LayerSensitivity> layers;  ///< in order of blocks, then DecoderBlock::Linears()
  double loss = 0;                       ///< of the model with its layers rounded, mean of batches
};

/// DeltaLoss scores (intel/auto-round 0.16.1, auto_scheme/delta_loss.py): how the loss of the
/// language model would change to first order, element by element, were a layer's weights W put
/// back for its rounded ones W^. g is the gradient of a batch's mean nll at the model whose scored
/// layers are all rounded at once. problem.weight gives W^; a layer for which it is undefined runs
/// as it is and is not scored. Throws what VisitGradients throws.
Sensitivities DeltaLoss(const GradientProblem& problem, Log* log);

}  // namespace roundlab
