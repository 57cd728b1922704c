#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "core/model/block.h"
#include "core/model/loader.h"
#include "core/model/packed_tokens.h"

namespace roundlab {

/// Embedding, final norm and head of a model: what is needed besides its blocks.
class ModelEnds {
 public:
  explicit ModelEnds(const ModelFiles& files);

  /// tokens: int64 [batch, seq] -> [batch, seq, hidden] float32.
  at::Tensor Embed(const at::Tensor& tokens) const;
  /// Input of the head: hidden [..., hidden] after the final norm.
  at::Tensor Final(const at::Tensor& hidden) const;
  /// [vocab, hidden] float32.
  const at::Tensor& head() const { return head_; }
  /// cos and sin of all positions of the model, at most `positions`.
  RopeTable Rope(std::int64_t positions) const;

 private:
  ModelDescription description_;
  at::Tensor embedding_;
  at::Tensor head_;
  at::Tensor norm_;
};

/// A causal language model in memory, as a judge sees it: token ids in, likelihoods out.
class LanguageModel {
 public:
  /// Called for each block once its weights are loaded; may replace slots' weights.
  using BlockHook = std::function<void(DecoderBlock*)>;

  /// Loads all blocks. dtype: of the matrix products and hidden states.
  LanguageModel(const ModelFiles& files, at::ScalarType dtype, const BlockHook& hook = {});

  const ModelDescription& description() const { return description_; }
  /// tokens: int64 [batch, seq], seq at most max_positions -> hidden states after the final norm,
  /// [batch, seq, hidden] float32.
  at::Tensor Hidden(const at::Tensor& tokens) const;
  /// The same for packed tokens, [rows, hidden].
  at::Tensor Hidden(const PackedTokens& tokens) const;
  /// [batch, seq, vocab] float32; for short sequences (all logits are made).
  at::Tensor Logits(const at::Tensor& tokens) const;
  /// nll[b][t] of tokens[b][t + 1] given those before it, in nats: [batch, seq - 1] float32.
  at::Tensor Nll(const at::Tensor& tokens) const;
  const ModelEnds& ends() const { return ends_; }
  const std::vector<std::unique_ptr<DecoderBlock>>& blocks() const { return blocks_; }

 private:
  ModelDescription description_;
  at::ScalarType dtype_;
  ModelEnds ends_;
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
};

}  // namespace roundlab
