#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/base/log.h"
#include "core/metrics/run_record.h"
#include "rounding/budget_scores.h"
#include "rounding/quantized_model.h"

namespace roundlab {

/// Throws Error where quant.budget leaves nothing to decide, or where even the fewest bits that it
/// may give to each layer are too many ("quant.budget.bits: 2 can't be met: ...").
void CheckBudget(const QuantOptions& quant, const ModelDescription& model);

/// Decides the bits of the layers that quant.budget is spent on: those that are rounded and whose
/// bits no override says. For each layer and each of the choices a score is made (ScoreBudget),
/// and AllocateBits takes those of least sum within the budget, which all rounded layers share.
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
