#pragma once

#include <cstdint>

#include "core/kernels/feedback_block.h"

namespace roundlab {

/// The inner loop of GPTQ (arXiv 2210.17323, algorithm 1) over the columns i in [begin, end), in
/// order:
///   code = clamp(round(w_i / s) + z, 0, code_max),   e_i = (w_i - s (code - z)) / U_ii
///   w_j <- w_j - e_i U_ij + w_i P_ij                 for all j >= i of the block
/// with w_i as it was before on the right; round is half to even. P is GPTAQ's (arXiv 2504.02692).
/// On a GPU by a fused kernel where it is there, with the CPU's bits.
void ErrorFeedback(const FeedbackBlock& block, std::int64_t begin, std::int64_t end);

namespace reference {

/// The same in plain ATen operations, on any device.
void ErrorFeedback(const FeedbackBlock& block, std::int64_t begin, std::int64_t end);

}  // namespace reference

}  // namespace roundlab
