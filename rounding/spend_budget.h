#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/base/log.h"
#include "core/metrics/run_record.h"
#include "core/model/source.h"
#include "rounding/quant_options.h"
#include "rounding/quantized_model.h"

namespace roundlab {

/// Throws Error where quant.budget leaves nothing to decide, or where even the fewest bits that it
/// may give to each layer are too many ("quant.budget.bits: 2 can't be met: ...").
void CheckBudget(const QuantOptions& quant, const ModelDescription& model);

/// What a quant.budget is spent by.
struct BudgetProblem {
  const ModelSource* source = nullptr;
  const QuantOptions* quant = nullptr;
  at::Tensor tokens;  ///< int64 [rows, seq]
  /// What will quantize a layer's inputs; null for nothing. May be empty.
  std::function<std::shared_ptr<const ActivationQuantizer>(const std::string& layer)> inputs = {};
};

/// Decides the bits of the layers that quant.budget is spent on: those that are rounded and whose
/// bits no override says. For each layer and each of the choices a score is made, which rounding
/// to nearest on the layer's grid stands for (a uniform one for a power grid), on the range of its
/// weights:
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
/// and AllocateBits takes those of least sum within the budget, which all rounded layers share.
/// For the scores by gradient all of the model is in memory, in float32.
///
/// Tells the log what got how many, and answers layers/<name>/budget_bits [1] and budget_scores
/// [choices] of each, budget/choices, budget/bits_per_weight and budget/score. Throws what
/// CheckBudget throws, and Diverged where a score is not finite.
RunRecord SpendBudget(const BudgetProblem& problem, Log* log);

/// Layer -> bits, from what SpendBudget answered.
std::map<std::string, std::int64_t> SpentBits(const RunRecord& budget);

/// The budget is spent on grids: where the scheme stores more (outliers, tables, another order of
/// columns), what the model takes is told.
void TellOverspent(const BitBudget& budget, const QuantizedModel& model, Log* log);

}  // namespace roundlab
