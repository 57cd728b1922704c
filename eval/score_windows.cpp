#include "eval/score_windows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/base/error.h"
#include "core/base/statistics.h"
#include "core/kernels/token_nll.h"

namespace roundlab {
namespace {

/// Of the scored tokens of all windows of a batch, one window after the other: float64 [tokens].
at::Tensor BatchNll(const Scorer& model, const TokenWindows& windows, const WindowBatch& batch,
                    const at::Tensor& hidden) {
  const at::Tensor tokens = BatchTokens(windows, batch);
  const std::int64_t length = tokens.size(1);
  std::vector<at::Tensor> rows;
  std::vector<at::Tensor> targets;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const std::int64_t scored = windows.list[batch[i]].scored;
    rows.push_back(hidden[row].narrow(0, length - 1 - scored, scored));
    targets.push_back(tokens[row].narrow(0, length - scored, scored));
  }
  return TokenNll(at::cat(rows), model.head(), at::cat(targets)).to(at::kCPU, at::kDouble);
}

}  // namespace

std::vector<WindowBatch> EqualLengthBatches(const std::vector<TokenWindow>& windows,
                                            std::int64_t tokens) {
  std::vector<WindowBatch> batches;
  std::map<std::int64_t, std::size_t> open;  // a length's batch that has room
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const std::int64_t length = windows[i].length;
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, tokens / length));
    const auto [place, added] = open.try_emplace(length, batches.size());
    if (added || batches[place->second].size() == most) {
      place->second = batches.size();
      batches.emplace_back();
    }
    batches[place->second].push_back(i);
  }
  return batches;
}

at::Tensor BatchTokens(const TokenWindows& windows, const WindowBatch& batch) {
  const std::int64_t length = windows.list[batch.front()].length;
  at::Tensor tokens = at::empty({static_cast<std::int64_t>(batch.size()), length}, at::kLong);
  auto* out = tokens.mutable_data_ptr<std::int64_t>();
  for (const std::size_t index : batch) {
    const TokenWindow& window = windows.list[index];
    ROUNDLAB_CHECK(window.length == length, "windows of a batch must be of one length");
    const auto begin = windows.ids.begin() + window.begin;
    std::copy(begin, begin + length, out);
    if (windows.first) *out = *windows.first;
    out += length;
  }
  return tokens;
}

std::vector<ScorerInput> BatchInputs(const TokenWindows& windows,
                                     const std::vector<WindowBatch>& batches) {
  std::vector<ScorerInput> inputs;
  inputs.reserve(batches.size());
  for (const WindowBatch& batch : batches) {
    const at::Tensor tokens = BatchTokens(windows, batch);
    inputs.emplace_back(windows.feeds_last ? tokens : tokens.narrow(1, 0, tokens.size(1) - 1));
  }
  return inputs;
}

bool CheckWindow(const ScoredWindow& window, FiniteGuard* guard) {
  const auto& nll = window.nll;
  const auto bad =
      std::find_if(nll.begin(), nll.end(), [](double value) { return !std::isfinite(value); });
  if (bad != nll.end()) {
    const auto token = window.length - (nll.end() - bad);
    guard->Tell(window.place + ": log-likelihood of token " + std::to_string(token), -*bad,
                window.states);
    return false;
  }
  if (window.states.empty() || AllFinite(window.hidden)) return true;
  guard->TellStates(window.place, window.states);
  return false;
}

WindowScoring::WindowScoring(const Scorer& model, const TokenWindows& windows,
                             std::int64_t batch_tokens, FiniteGuard* guard, Log* log)
    : model_(model),
      windows_(windows),
      guard_(guard),
      batches_(EqualLengthBatches(windows.list, batch_tokens)),
      progress_(*log, "perplexity", "windows", static_cast<std::int64_t>(windows.list.size())) {
  scores_.nll.resize(windows.list.size());
  scores_.squares.resize(windows.list.size());
  for (const TokenWindow& window : windows.list) {
    scores_.tokens.push_back(static_cast<double>(window.scored));
  }
}

void WindowScoring::Take(std::size_t i, const ScorerStates& states) {
  const WindowBatch& batch = batches_[i];
  const at::Tensor nll = BatchNll(model_, windows_, batch, states.hidden);
  std::int64_t first = 0;
  for (std::size_t row = 0; row < batch.size(); ++row) {
    const std::size_t index = batch[row];
    const auto& [begin, length, scored, document] = windows_.list[index];
    const at::Tensor own = nll.narrow(0, first, scored);
    const bool good = CheckWindow({"window " + std::to_string(index),
                                   length,
                                   {own.const_data_ptr<double>(), static_cast<std::size_t>(scored)},
                                   states.hidden[static_cast<std::int64_t>(row)],
                                   states.not_finite},
                                  guard_);
    const double sum = own.sum().item<double>();
    scores_.nll[index] = good || !std::isfinite(sum) ? sum : kUndefined;
    scores_.squares[index] = own.square().sum().item<double>();
    first += scored;
  }
  progress_.Advance(static_cast<std::int64_t>(batch.size()));
}

}  // namespace roundlab
