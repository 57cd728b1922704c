#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "core/model/block.h"
#include "core/model/ends.h"
#include "core/model/packed_tokens.h"

namespace roundlab {

/// Tokens on their way through a model, block by block: embedding, blocks in order, final norm.
class ForwardPass {
 public:
  /// tokens: int64 [batch, seq]. dtype: of the hidden states between blocks. `ends` outlive it.
  ForwardPass(const ModelEnds& ends, const at::Tensor& tokens, at::ScalarType dtype);
  ForwardPass(const ModelEnds& ends, const PackedTokens& tokens, at::ScalarType dtype);

  void Through(const DecoderBlock& block);
  /// Input of the head, float32: [batch, seq, width], of packed tokens [rows, width]. The last to
  /// be called.
  at::Tensor Finish();
  /// As they are now, [batch, seq, hidden]; of packed tokens [1, rows, hidden].
  const at::Tensor& hidden() const { return hidden_; }

 private:
  const ModelEnds* ends_;
  RopeTable rope_;
  at::Tensor hidden_;
  std::optional<std::vector<Segment>> segments_;  ///< of packed tokens
};

}  // namespace roundlab
