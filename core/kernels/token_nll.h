#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// Negative log-likelihood in nats of `targets` under softmax(hidden head^T), without a logits
/// tensor of [tokens, vocab] in whole: rows are done in chunks of at most `chunk_rows`.
/// hidden: [tokens, d] float32; head: [vocab, d] float32; targets: int64 [tokens].
/// Returns float32 [tokens]. No gradient.
at::Tensor TokenNll(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& targets,
                    std::int64_t chunk_rows = 256);

/// The same from logits in whole, in ATen ops.
at::Tensor TokenNllReference(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace roundlab
