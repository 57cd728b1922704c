#include "core/model/forward_pass.h"

#include <ATen/ATen.h>

namespace roundlab {
namespace {

at::Tensor Row(const std::vector<std::int64_t>& values) {
  return at::tensor(at::ArrayRef<std::int64_t>(values), at::kLong);
}

}  // namespace

ForwardPass::ForwardPass(const ModelEnds& ends, const at::Tensor& tokens, at::ScalarType dtype)
    : ends_(&ends), rope_(ends.Rope(tokens.size(1))), hidden_(ends.Embed(tokens).to(dtype)) {}

ForwardPass::ForwardPass(const ModelEnds& ends, const PackedTokens& tokens, at::ScalarType dtype)
    : ends_(&ends), segments_(tokens.Segments()) {
  const at::Tensor positions = Row(tokens.positions());
  rope_ = ends.Rope(positions.max().item<std::int64_t>() + 1)
              .Select(positions.to(ends.embedding.device()));
  hidden_ = ends.Embed(Row(tokens.ids()).unsqueeze(0), positions).to(dtype);
}

void ForwardPass::Through(const DecoderBlock& block) {
  hidden_ =
      segments_ ? block.ForwardPacked(hidden_, rope_, *segments_) : block.Forward(hidden_, rope_);
}

at::Tensor ForwardPass::Finish() {
  const at::Tensor last = ends_->Final(hidden_);
  hidden_.reset();  // as much memory as what comes out
  return segments_ ? last.squeeze(0) : last;
}

}  // namespace roundlab
