#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>

#include "core/base/error.h"
#include "core/kernels/ops.h"
#include "core/model/block.h"

namespace roundlab {
namespace {

at::Tensor Activate(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kQuickGelu:
      return x * at::sigmoid(1.702 * x);
    case Activation::kReluSquared:
      return at::relu(x).square();
  }
  throw std::logic_error("no such activation");
}

}  // namespace

at::Tensor DecoderBlock::DenseMlp(const at::Tensor& x, std::int64_t expert) const {
  at::Tensor gate;
  at::Tensor up;
  if (!plan_.mlp.gated) {
    const at::Tensor inner = Role(LinearRole::kUp, expert).Forward(x);
    return Role(LinearRole::kDown, expert).Forward(Activate(plan_.mlp.activation, inner));
  }
  if (Has(LinearRole::kGateUp)) {
    const auto halves = Role(LinearRole::kGateUp, expert).Forward(x).chunk(2, -1);
    gate = halves[0];
    up = halves[1];
  } else {
    gate = Role(LinearRole::kGate, expert).Forward(x);
    up = Role(LinearRole::kUp, expert).Forward(x);
  }
  const at::Tensor inner = plan_.mlp.activation == Activation::kSilu
                               ? SwiGlu(gate, up)
                               : Activate(plan_.mlp.activation, gate) * up;
  return Role(LinearRole::kDown, expert).Forward(inner);
}

/// Each expert sees the rows of the tokens sent to it, in their order; also one that none is sent
/// to, so that whoever listens to its inputs hears of it.
at::Tensor DecoderBlock::Experts(const at::Tensor& x) const {
  const ExpertsPlan& plan = *plan_.mlp.experts;
  const at::Tensor rows = x.reshape({-1, x.size(2)});
  const at::Tensor logits = at::linear(rows, router.to(rows.scalar_type()));
  const at::Tensor probabilities = at::softmax(logits, -1, at::kFloat);
  auto [weights, chosen] = at::topk(probabilities, plan.used, -1);
  if (plan.normalize) weights = weights / weights.sum(-1, true);
  weights = weights.to(rows.scalar_type());
  at::Tensor sum = at::zeros_like(rows);
  for (std::int64_t expert = 0; expert < plan.count; ++expert) {
    const auto places = (chosen == expert).nonzero();
    const at::Tensor token = places.select(1, 0);
    (*expert_tokens_)[static_cast<std::size_t>(expert)] += token.numel();
    if (token.numel() == 0 && !Watched(expert)) continue;
    const at::Tensor weight = weights.index({token, places.select(1, 1)}).unsqueeze(1);
    sum = sum.index_add(0, token, DenseMlp(rows.index_select(0, token), expert) * weight);
  }
  return sum.view(x.sizes());
}

bool DecoderBlock::Watched(std::int64_t expert) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const LinearSlot& slot) {
    return slot.expert == expert && (slot.on_input || slot.effective.defined());
  });
}

at::Tensor DecoderBlock::Mlp(const at::Tensor& x) const {
  return plan_.mlp.experts ? Experts(x) : DenseMlp(x, -1);
}

}  // namespace roundlab
