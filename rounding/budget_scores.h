#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/model/source.h"
#include "rounding/quant_options.h"

namespace roundlab {

/// What a quant.budget is spent by.
struct BudgetProblem {
  const ModelSource* source = nullptr;
  const QuantOptions* quant = nullptr;
  at::Tensor tokens;  ///< int64 [rows, seq]
  /// What will quantize a layer's inputs; null for nothing. May be empty.
  std::function<std::shared_ptr<const ActivationQuantizer>(const std::string& layer)> inputs = {};
};

/// A layer that is rounded.
struct BudgetLayer {
  std::string name;
  std::int64_t block = 0;
  std::int64_t out = 0;
  std::int64_t in = 0;
  bool of_expert = false;
  QuantSpec spec;
  bool open = true;  ///< its bits are to be decided

  QuantSpec With(std::int64_t bits) const {
    QuantSpec changed = spec;
    changed.bits = bits;
    return changed;
  }
};

/// Those of a model, in its order.
std::vector<BudgetLayer> BudgetLayers(const QuantOptions& quant, const ModelDescription& model);

/// Layer -> what each of quant.budget's choices of bits costs it.
using BudgetScores = std::map<std::string, std::vector<double>>;

/// Those of the open layers. Rounding to nearest on a layer's grid (a uniform one for a power
/// grid), on the range of its weights, stands for all schemes:
///   delta_loss  sum |g (W - W^)|, see DeltaLoss; all layers are rounded to that choice at once,
///               those with bits of their own to these     (auto-round 0.16.1, auto_scheme).
///               With budget.inputs their inputs are quantized too where problem.inputs has that
///               in up to 8 bits, on ranges of each text, and sum |g (x - x^)| is added, which the
///               reference has formulas for but does not get to, see DeltaLoss. One quantizer goes
///               with all choices, so that it tells mostly by where gradients are taken
///   fisher      1/2 sum F (W - W^)^2, F the sum over sequences of the squared gradient of the
///               unrounded model's loss: the diagonal Fisher matrix's estimate of the loss
///   output_snr  tr(E H E^T) / tr(W H W^T), E = W - W^, H the second moment of the layer's inputs
///               in the unrounded model: the inverse of the output's signal to noise
/// For the scores by gradient all of the model is in memory, in float32.
BudgetScores ScoreBudget(const BudgetProblem& problem, const std::vector<BudgetLayer>& layers,
                         Log* log);

}  // namespace roundlab
