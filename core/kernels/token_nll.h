#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roundlab {

/// Negative log-likelihood in nats of `targets` under softmax(hidden head^T), without a logits
/// tensor of [tokens, vocab] in whole: rows are done in chunks of at most `chunk_rows`.
/// hidden: [tokens, d] float32; head: [vocab, d] float32; targets: int64 [tokens].
/// Returns float32 [tokens]. No gradient.
at::Tensor TokenNll(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& targets,
                    std::int64_t chunk_rows = 256);

/// A token asked for after a row of `hidden`.
struct TokenQuery {
  std::int64_t row = 0;
  std::int64_t target = 0;
};

struct TokenScore {
  double nll = 0;    ///< nats
  bool top = false;  ///< no token is likelier (of equal ones the first)
};

/// The same for any rows, several targets a row or none: each row asked for is multiplied once.
std::vector<TokenScore> ScoreTokens(const at::Tensor& hidden, const at::Tensor& head,
                                    const std::vector<TokenQuery>& queries,
                                    std::int64_t chunk_rows = 256);

/// TokenNll from logits in whole, in ATen ops.
at::Tensor TokenNllReference(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace roundlab
