#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roundlab {

/// Logits that are made at a time, at the most, where a device makes them: 256 MiB of float32.
constexpr std::int64_t kDeviceLogits = std::int64_t{1} << 26;

/// Logits that are made at a time, so that none of [tokens, vocab] is made in whole.
struct LogitTile {
  std::int64_t rows = 2048;
  std::int64_t columns = 3072;  ///< tokens of the vocabulary
};

/// What makes logits of hidden states: scale (hidden weight^T + bias), then c tanh(logit / c) where
/// there is a soft cap c.
struct LogitHead {
  LogitHead() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): most heads are a matrix and nothing else
  LogitHead(at::Tensor weight, at::Tensor bias = {}, double soft_cap = 0, double scale = 1);

  /// [vocab, d]; where it has 16 bits hidden states are rounded to its dtype for the products.
  at::Tensor weight;
  at::Tensor bias;      ///< [vocab] or undefined
  double soft_cap = 0;  ///< 0: none
  double scale = 1;

  /// hidden [..., d] -> [..., vocab] of its dtype.
  at::Tensor Logits(const at::Tensor& hidden) const;
  /// Makes of products with rows [first, first + columns) of the weight those tokens' logits.
  void Finish(std::int64_t first, at::Tensor* products) const;
};

/// Negative log-likelihood in nats of `targets` under softmax(logits of hidden).
/// hidden: [tokens, d], float32 on the CPU, on a GPU also 16 bits; logits are float32.
/// targets: int64 [tokens].
/// Returns float32 [tokens]. No gradient.
at::Tensor TokenNll(const at::Tensor& hidden, const LogitHead& head, const at::Tensor& targets,
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
std::vector<TokenScore> ScoreTokens(const at::Tensor& hidden, const LogitHead& head,
                                    const std::vector<TokenQuery>& queries,
                                    const LogitTile& tile = {});

/// ScoreTokens and TokenNll in ATen ops on any device, by chunks of rows: what a GPU runs.
std::vector<TokenScore> ScoreTokensInAten(const at::Tensor& hidden, const LogitHead& head,
                                          const std::vector<TokenQuery>& queries);
at::Tensor TokenNllInAten(const at::Tensor& hidden, const LogitHead& head,
                          const at::Tensor& targets);

/// TokenNll from logits in whole, in ATen ops.
at::Tensor TokenNllReference(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace roundlab
