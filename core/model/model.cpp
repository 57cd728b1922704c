#include "core/model/model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/kernels/ops.h"
#include "core/kernels/token_nll.h"
#include "core/model/unit_loader.h"

namespace roundlab {

LanguageModel::LanguageModel(const ModelSource& source, at::ScalarType dtype, const BlockHook& hook,
                             const at::Device& device)
    : description_(source.description()), dtype_(dtype), ends_(source.LoadEnds()) {
  for (std::int64_t i = 0; i < description_.layers; ++i) {
    blocks_.push_back(source.LoadBlock(i));
    if (hook) hook(blocks_.back().get());
    blocks_.back()->To(device);
    CastLinears(dtype, blocks_.back().get());
  }
  ends_.To(device, dtype);
}

at::Tensor LanguageModel::Through(ForwardPass pass) const {
  for (const auto& block : blocks_) pass.Through(*block);
  return pass.Finish();
}

at::Tensor LanguageModel::Hidden(const at::Tensor& tokens) const {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(tokens.dim() == 2, "tokens must be [batch, seq]");
  return Through({ends_, tokens, dtype_});
}

at::Tensor LanguageModel::Hidden(const PackedTokens& tokens) const {
  const at::NoGradGuard no_grad;
  return Through({ends_, tokens, dtype_});
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
