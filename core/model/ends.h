#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/kernels/token_nll.h"
#include "core/model/block.h"
#include "core/model/description.h"
#include "core/model/rope.h"

namespace roundlab {

/// What a model has besides its blocks, as EndsPlan says: token and position embeddings, final norm
/// and head. A ModelSource fills in the tensors, all float32.
class ModelEnds {
 public:
  explicit ModelEnds(const ModelDescription& description);

  /// tokens: int64 [batch, seq] on any device, at positions 0, 1, ... -> input of the first block,
  /// [batch, seq, hidden] float32. Throws Error for an id outside the vocabulary.
  at::Tensor Embed(const at::Tensor& tokens) const;
  /// The same with each token's position, int64 [seq].
  at::Tensor Embed(const at::Tensor& tokens, const at::Tensor& at_positions) const;
  /// Input of the head: hidden [..., hidden] after the final norm, [..., embedding_width].
  at::Tensor Final(const at::Tensor& hidden) const;
  const LogitHead& head() const { return head_; }
  /// Mean nll of tokens 1, 2, ... [batch, seq] given what Final says at those before them,
  /// `states` [batch, seq - 1, embedding_width]: a scalar, differentiable.
  at::Tensor NextTokenLoss(const at::Tensor& states, const at::Tensor& tokens) const;
  void SetHead(const at::Tensor& weight, const at::Tensor& bias);
  /// Moves all weights there. On a GPU the head's products are made in `products`: in float32 they
  /// take as long as those of 30 blocks of 8 billion weights in 16 bits.
  void To(const at::Device& device, at::ScalarType products = at::kFloat);
  /// cos and sin of all positions of a text, for the blocks; where the weights are.
  RopeTable Rope(std::int64_t positions_of_text) const;

  const EndsPlan& plan() const { return plan_; }

  at::Tensor embedding;  ///< [vocab, embedding_width]
  /// [position_rows, hidden], or undefined. Sinusoidal, with n = hidden / 2: sin(p f_k) in column k
  /// and cos(p f_k) in n + k, f_k = 10000^(-k / (n - 1)); made by the constructor.
  at::Tensor positions;
  at::Tensor project_in;   ///< [hidden, embedding_width], or undefined
  at::Tensor project_out;  ///< [embedding_width, hidden], or undefined
  std::optional<NormSlot> embedding_norm;
  std::optional<NormSlot> final_norm;

 private:
  ModelDescription description_;
  EndsPlan plan_;
  LogitHead head_;
};

}  // namespace roundlab
