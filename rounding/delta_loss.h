#pragma once

#include <string>
#include <vector>

#include "core/base/log.h"
#include "rounding/model_gradients.h"

namespace roundlab {

/// What rounding a layer is expected to cost the language model.
struct LayerSensitivity {
  std::string name;        ///< "model.layers.0.mlp.up_proj"
  double score = 0;        ///< sum over batches of sum |g (W - W^)|, in nats a token
  double input_score = 0;  ///< the same of what it is fed, sum |g (x - x^)|; 0 where not quantized
};

struct Sensitivities {
  std::vector<LayerSensitivity> layers;  ///< in order of blocks, then DecoderBlock::Linears()
  double loss = 0;                       ///< of the model with its layers rounded, mean of batches
};

/// DeltaLoss scores (intel/auto-round 0.16.1, auto_scheme/delta_loss.py): how the loss of the
/// language model would change to first order, element by element, were a layer's weights W put
/// back for its rounded ones W^. g is the gradient of a batch's mean nll at the model whose scored
/// layers are all rounded at once. problem.weight gives W^; a layer for which it is undefined runs
/// as it is and is not scored. Where problem.quantizer has a layer's inputs x quantized to x^,
/// those have a score of their own, g then being the gradient by x^: what the reference means to
/// add for inputs of up to 8 bits (_qdq_act). The forward pass that 0.16.1 scores integer weights
/// with (_ScoreLinear) leaves that function out, so that its inputs are as they are and cost 0.
/// Throws what VisitGradients throws.
Sensitivities DeltaLoss(const GradientProblem& problem, Log* log);

}  // namespace roundlab
