#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>

#include "core/base/log.h"
#include "rounding/model_gradients.h"

namespace roundlab {

/// By a layer's name: the diagonal of the Fisher information of its weight, [out, in] float32,
///   sum over batches of g^2, g the gradient of the batch's mean nll by the weight
/// (SqueezeLLM, arXiv 2306.07629, section 4.1; the public code takes a batch of one sequence).
using FisherDiagonal = std::map<std::string, at::Tensor>;

/// That of the layers that are `wanted`, of the problem's batches; zeros for an expert that no
/// token was sent to. Throws what VisitGradients throws.
FisherDiagonal DiagonalFisher(const GradientProblem& problem,
                              const std::function<bool(const LinearSlot&)>& wanted, Log* log);

}  // namespace roundlab
