#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roundlab {

/// Logits that are made at a time, so that none of [tokens, vocab] is made in whole.
struct LogitTile {
  std::int64_t rows = 2048;
  std::int64_t columns = 3072;  ///< tokens of the vocabulary
};

/// Negative log-likelihood in nats of `targets` under softmax(hidden head^T).
/// hidden: [tokens, d] float32; head: [vocab, d] float32; targets: int64 [tokens].
/// Returns float32 [tokens]. No gradient.
at::Tensor TokenNll(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& targets,
                    const LogitTile& tile = {});

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
                                    const LogitTile& tile = {});

/// TokenNll from logits in whole, in ATen ops.
at::Tensor TokenNllReference(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace roundlab
