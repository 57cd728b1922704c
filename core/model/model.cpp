#include "core/model/model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/kernels/ops.h"
#include "core/kernels/token_nll.h"

namespace roundlab {

LanguageModel::LanguageModel(const ModelSource& source, at::ScalarType dtype, const BlockHook& hook,
                             const at::Device& device)
    : description_(source.description()), dtype_(dtype), ends_(source.LoadEnds()) {
  for (std::int64_t i = 0; i < description_.layers; ++i) {
    blocks_.push_back(source.LoadBlock(i));
    if (hook) hook(blocks_.back().get());
    blocks_.back()->To(device);
    if (dtype == at::kFloat) continue;
    for (LinearSlot* slot : blocks_.back()->Linears()) slot->weight = slot->weight.to(dtype);
  }
  ends_.To(device, dtype);
}

at::Tensor LanguageModel::Hidden(const at::Tensor& tokens) const {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(tokens.dim() == 2, "tokens must be [batch, seq]");
  const RopeTable rope = ends_.Rope(tokens.size(1));
  at::Tensor hidden = ends_.Embed(tokens).to(dtype_);
  for (const auto& block : blocks_) hidden = block->Forward(hidden, rope);
  return ends_.Final(hidden);
}

at::Tensor LanguageModel::Hidden(const PackedTokens& tokens) const {
  const at::NoGradGuard no_grad;
  const auto row = [&](const std::vector<std::int64_t>& values) {
    return at::tensor(at::ArrayRef<std::int64_t>(values), at::kLong);
  };
  const at::Tensor positions = row(tokens.positions());
  const RopeTable rope =
      ends_.Rope(positions.max().item<std::int64_t>() + 1).Select(positions.to(device()));
  at::Tensor hidden = ends_.Embed(row(tokens.ids()).unsqueeze(0), positions).to(dtype_);
  const std::vector<Segment> segments = tokens.Segments();
  for (const auto& block : blocks_) hidden = block->ForwardPacked(hidden, rope, segments);
  return ends_.Final(hidden).squeeze(0);
}

at::Tensor LanguageModel::Logits(const at::Tensor& tokens) const {
  const at::NoGradGuard no_grad;
  return ends_.head().Logits(Hidden(tokens));
}

at::Tensor LanguageModel::Nll(const at::Tensor& tokens) const {
  const at::NoGradGuard no_grad;
  const std::int64_t seq = tokens.size(1);
  const at::Tensor hidden = Hidden(tokens).narrow(1, 0, seq - 1);
  const at::Tensor targets = tokens.narrow(1, 1, seq - 1).flatten();
  return TokenNll(hidden.reshape({-1, hidden.size(2)}), ends_.head(), targets)
      .view({tokens.size(0), seq - 1});
}

}  // namespace roundlab
