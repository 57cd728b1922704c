#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/kernels/token_nll.h"

namespace roundlab {

/// How far a model's next-token distributions q lie from those of another, p, token by token.
struct LogitDivergence {
  std::vector<double> kl;        ///< sum over the vocabulary of p log(p / q), nats
  std::vector<double> same_top;  ///< 1 where both find the same token likeliest (of equal ones the
                                 ///< first), else 0
  std::vector<double> nll_base;  ///< -log p of the target
  std::vector<double> nll;       ///< -log q of the target
};

/// Hidden states [tokens, d] float32 and the head that makes logits of them.
struct HeadInputs {
  at::Tensor hidden;
  const LogitHead& head;
};

/// Appends a value a token. base, other: of one vocabulary, each with a head of its own (a turned
/// model's differs from the original's); targets: int64 [tokens]. Logits are made `chunk_rows`
/// tokens at a time; sums run in double, so that equal rows have a divergence of exactly 0.
void AppendDivergence(const HeadInputs& base, const HeadInputs& other, const at::Tensor& targets,
                      LogitDivergence* out, std::int64_t chunk_rows = 128);

}  // namespace roundlab
