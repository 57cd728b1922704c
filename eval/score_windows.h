#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/log.h"
#include "core/model/model.h"
#include "eval/windows.h"

namespace roundlab {

/// Windows of one length that are run together: their places in TokenWindows::list.
using WindowBatch = std::vector<std::size_t>;

/// All windows, each once, in batches of at most `tokens` tokens (one window at least). Windows of
/// one length keep their order.
std::vector<WindowBatch> EqualLengthBatches(const std::vector<TokenWindow>& windows,
                                            std::int64_t tokens);

/// Ids of a batch's windows, int64 [windows, length].
at::Tensor BatchTokens(const TokenWindows& windows, const WindowBatch& batch);

/// What became of each window, in order of the list.
struct WindowScores {
  std::vector<double> nll;      ///< sum over the scored tokens, nats
  std::vector<double> squares;  ///< sum of their squares
  std::vector<double> tokens;   ///< scored
};

/// Scores all windows. A window's numbers do not depend on those it is run with (1e-5 relative).
WindowScores ScoreWindows(const LanguageModel& model, const TokenWindows& windows,
                          std::int64_t batch_tokens, Log* log);

}  // namespace roundlab
