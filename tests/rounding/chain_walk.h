#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "rounding/hidden_states.h"
#include "tests/support/random_tensor.h"

namespace roundlab::testing {

/// A chain that is read ahead and written in many turns, each with what the ones before have left.
/// Gives what lies there in the end, on the CPU; the same wherever it lies.
inline at::Tensor WalkChain(const ChainStore& store) {
  const HiddenStates chain(store, RandomTensor({24, 64, 32}, 1));
  for (int turn = 0; turn < 6; ++turn) {
    ForRows(chain, [&](const at::Tensor& rows, std::int64_t first) {
      const std::int64_t other = (first + 8 * turn + 8) % 24;
      ComingRows chosen = chain.SelectAhead(at::tensor({first + 7, first, first + 3}, at::kLong));
      const at::Tensor all = chosen.Get();
      chain.Write(first, (rows + all.sum(0) * 0.125).tanh());
      if (other > first) return;
      const at::Tensor again = chain.Narrow(other, 8);
      chain.Write(other, again * 0.5 + 0.25);
    });
  }
  return chain.values().cpu().clone();
}

}  // namespace roundlab::testing
