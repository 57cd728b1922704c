#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "core/base/log.h"
#include "core/model/block.h"
#include "core/model/source.h"

namespace roundlab {

/// What gradients of a model's loss are taken of, and on what.
struct GradientProblem {
  const ModelSource* source = nullptr;
  at::Tensor tokens;       ///< int64 [rows, seq], more than one a row
  std::int64_t batch = 1;  ///< rows a loss: mean nll in nats of tokens 1 to seq - 1 of all of them
  /// The weight that a layer runs with, [out, in]; undefined for its own. May be empty.
  std::function<at::Tensor(const LinearSlot&)> weight;
  /// What quantizes a layer's inputs; null for nothing. May be empty.
  std::function<std::shared_ptr<const ActivationQuantizer>(const LinearSlot&)> quantizer = {};
};

/// Gets, of a layer's inputs x in a batch and what its quantizer makes of them, x - x^ and the
/// gradient of the batch's loss by x^; of their shape [..., in], float32.
using SeeInputs = std::function<void(const LinearSlot& slot, const at::Tensor& change,
                                     const at::Tensor& gradient)>;

/// Calls `see` for each linear layer and batch with the gradient of the batch's loss by the weight
/// that the layer runs with, [out, in] float32, and `see_inputs` for each whose inputs are
/// quantized. Gradients go straight through quantizers (ActivationQuantizer::Apply). All of the
/// model is in memory, in float32. Answers the mean of the losses. Throws Diverged, naming the
/// batch, where a loss is not finite.
double VisitGradients(
    const GradientProblem& problem,
    const std::function<void(const LinearSlot& slot, const at::Tensor& gradient)>& see, Log* log,
    const SeeInputs& see_inputs = {});

}  // namespace roundlab
