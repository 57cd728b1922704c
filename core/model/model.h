#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "core/model/block.h"
#include "core/model/ends.h"
#include "core/model/forward_pass.h"
#include "core/model/loader.h"
#include "core/model/packed_tokens.h"
#include "core/model/source.h"

namespace roundlab {

/// A causal language model in memory, as a judge sees it: token ids in, likelihoods out.
class LanguageModel {
 public:
  /// Called for each block once its weights are loaded; may replace slots' weights.
  using BlockHook = std::function<void(DecoderBlock*)>;

  /// Loads all blocks; the source is not needed afterwards. dtype: of the matrix products and
  /// hidden states. device: where they are made, once the hook has seen a block.
  LanguageModel(const ModelSource& source, at::ScalarType dtype, const BlockHook& hook = {},
                const at::Device& device = at::kCPU);

  const ModelDescription& description() const { return description_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return ends_.embedding.device(); }
  /// What comes out of these is on the model's device; tokens may be elsewhere.
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
  at::Tensor Through(ForwardPass pass) const;

  ModelDescription description_;
  at::ScalarType dtype_;
  ModelEnds ends_;
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
};

}  // namespace roundlab
