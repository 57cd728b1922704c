#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "eval/finite_guard.h"
#include "eval/scorer.h"
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

/// What a scorer gets of each batch: all tokens, or all but the last (TokenWindows::feeds_last).
std::vector<ScorerInput> BatchInputs(const TokenWindows& windows,
                                     const std::vector<WindowBatch>& batches);

/// What became of each window, in order of the list.
struct WindowScores {
  std::vector<double> nll;      ///< sum over the scored tokens, nats
  std::vector<double> squares;  ///< sum of their squares
  std::vector<double> tokens;   ///< scored
};

/// What a model makes of one window.
struct ScoredWindow {
  std::string place;            ///< "window 3"
  std::int64_t length = 0;      ///< tokens
  std::span<const double> nll;  ///< of its last tokens
  at::Tensor hidden;            ///< [seq, hidden]
  std::string states;           ///< ScorerStates::not_finite of its batch
};

/// Whether nll and hidden states are finite; tells `guard` where they are not.
bool CheckWindow(const ScoredWindow& window, FiniteGuard* guard);

/// Scores all windows. A window's numbers do not depend on those it is run with (1e-5 relative).
/// Tells `guard` of what is not finite; a window's nll is NaN where only its hidden states are not.
class WindowScoring {
 public:
  /// All must outlive it.
  WindowScoring(const Scorer& model, const TokenWindows& windows, std::int64_t batch_tokens,
                FiniteGuard* guard, Log* log);
  /// For the model, each a batch of windows.
  std::vector<ScorerInput> Inputs() const { return BatchInputs(windows_, batches_); }
  /// What the model made of Inputs()[i].
  void Take(std::size_t i, const ScorerStates& states);
  const WindowScores& scores() const { return scores_; }

 private:
  const Scorer& model_;
  const TokenWindows& windows_;
  FiniteGuard* const guard_;
  const std::vector<WindowBatch> batches_;
  WindowScores scores_;
  LateProgress progress_;
};

}  // namespace roundlab
