#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <vector>

#include "core/base/error.h"
#include "core/kernels/linear.h"
#include "core/kernels/ops.h"
#include "core/model/block.h"

namespace roundlab {
namespace {

/// x > 0: a_p x^2 + b x, else a_n (exp(min(x, eps)) - 1 - x) + b x, where a_p = softplus(alpha_p)
/// and a_n = b + softplus(alpha_n).
at::Tensor Xielu(const at::Tensor& x, const at::Tensor& numbers) {
  const at::Tensor n = numbers.to(x.scalar_type());
  const at::Tensor beta = n[2];
  const at::Tensor above = at::softplus(n[0]) * x * x;
  const at::Tensor below = (at::expm1(at::minimum(x, n[3])) - x) * (beta + at::softplus(n[1]));
  return at::where(x > 0, above, below) + beta * x;
}

at::Tensor Activate(Activation activation, const at::Tensor& x, const at::Tensor& numbers) {
  switch (activation) {
    case Activation::kXielu:
      return Xielu(x, numbers);
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

at::Tensor Gated(const MlpPlan& plan, at::Tensor gate, at::Tensor up, const at::Tensor& numbers) {
  if (plan.gate_scale != 1) gate = gate * plan.gate_scale;
  if (plan.clamp > 0) {
    gate = gate.clamp_max(plan.clamp);
    up = up.clamp(-plan.clamp, plan.clamp);
  }
  if (plan.up_offset != 0) up = up + plan.up_offset;
  if (plan.activation == Activation::kSilu) return SwiGlu(gate, up);
  return Activate(plan.activation, gate, numbers) * up;
}

struct Routed {
  at::Tensor weights;  // [rows, used] float32
  at::Tensor experts;  // [rows, used] int64
};

Routed SparseMixer(const at::Tensor& scores, const ExpertsPlan& plan) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> experts;
  at::Tensor left = scores;
  for (std::int64_t i = 0; i < plan.used; ++i) {
    const auto [largest, place] = left.max(-1, true);
    const at::Tensor distance = (largest - scores) / at::maximum(scores.abs(), largest);
    const at::Tensor near = left.masked_fill(distance > 2 * plan.jitter, kNever);
    weights.push_back(at::softmax(near, -1).gather(-1, place));
    experts.push_back(place);
    left = left.scatter(-1, place, kNever);
  }
  return {at::cat(weights, -1), at::cat(experts, -1)};
}

/// Scores [rows, count] of the best groups of experts; the others' are below all.
at::Tensor OfBestGroups(const at::Tensor& scores, const ExpertsPlan& plan) {
  const at::Tensor grouped = scores.view({scores.size(0), plan.groups, -1});
  const std::int64_t best = plan.routing == Routing::kSigmoid ? 2 : 1;
  const at::Tensor of_group = std::get<0>(at::topk(grouped, best, -1)).sum(-1);
  const at::Tensor chosen = std::get<1>(at::topk(of_group, plan.groups_used, -1));
  const at::Tensor out = at::ones_like(of_group, at::kBool).scatter(1, chosen, 0);
  return grouped.masked_fill(out.unsqueeze(2), -std::numeric_limits<double>::infinity())
      .view(scores.sizes());
}

Routed Route(const at::Tensor& logits, const ExpertsPlan& plan, const at::Tensor& correction) {
  at::Tensor wide = logits.to(at::kFloat);
  if (plan.cap > 0) wide = at::tanh(wide / plan.cap) * plan.cap;
  if (plan.routing == Routing::kSparseMixer) return SparseMixer(wide, plan);
  const at::Tensor scores =
      plan.routing == Routing::kSigmoid ? at::sigmoid(wide) : at::softmax(wide, -1);
  at::Tensor choice = correction.defined() ? scores + correction : scores;
  if (plan.groups_used < plan.groups) choice = OfBestGroups(choice, plan);
  const at::Tensor chosen = std::get<1>(at::topk(choice, plan.used, -1));
  at::Tensor weights = scores.gather(-1, chosen);
  if (plan.normalize) weights = weights / weights.sum(-1, true);
  return {plan.factor == 1 ? weights : weights * plan.factor, chosen};
}

}  // namespace

at::Tensor DecoderBlock::DenseMlp(const at::Tensor& x, std::int64_t expert) const {
  at::Tensor gate;
  at::Tensor up;
  if (!plan_.mlp.gated) {
    const at::Tensor inner = Role(LinearRole::kUp, expert).Forward(x);
    return Role(LinearRole::kDown, expert)
        .Forward(Activate(plan_.mlp.activation, inner, activation));
  }
  if (Has(LinearRole::kGateUp, expert)) {
    const at::Tensor both = Role(LinearRole::kGateUp, expert).Forward(x);
    const std::int64_t inner = both.size(-1) / 2;
    const auto half = [&](std::int64_t which) {
      return plan_.mlp.by_turns ? both.slice(-1, which, both.size(-1), 2)
                                : both.narrow(-1, which * inner, inner);
    };
    gate = half(0);
    up = half(1);
  } else {
    gate = Role(LinearRole::kGate, expert).Forward(x);
    up = Role(LinearRole::kUp, expert).Forward(x);
  }
  return Role(LinearRole::kDown, expert).Forward(Gated(plan_.mlp, gate, up, activation));
}

/// Each expert sees the rows of the tokens sent to it, in their order; also one that none is sent
/// to, so that whoever listens to its inputs hears of it.
at::Tensor DecoderBlock::Experts(const at::Tensor& x, const at::Tensor& routed_by) const {
  const ExpertsPlan& plan = *plan_.mlp.experts;
  const at::Tensor rows = x.reshape({-1, x.size(2)});
  const at::Tensor given_rows = routed_by.reshape(rows.sizes());
  const at::Tensor read = plan.in_float ? given_rows.to(at::kFloat) : given_rows;
  at::Tensor all = Linear(read, router.to(read.scalar_type()), {});
  if (router_bias.defined()) all = all + router_bias.to(read.scalar_type());
  Routed routed = Route(all.narrow(1, 0, plan.count), plan, correction);
  if (expert_factors.defined()) {
    routed.weights = routed.weights * expert_factors.index({routed.experts});
  }
  const at::Tensor weights = routed.weights.to(rows.scalar_type());
  at::Tensor sum = at::zeros_like(rows);
  if (plan.shared) sum = DenseMlp(x, -1).view(rows.sizes());
  if (plan.shared_factor != 1) sum = sum * plan.shared_factor;
  if (!plan.shared_gate.empty()) sum = sum * at::sigmoid(all.narrow(1, plan.count, 1));
  for (std::int64_t expert = 0; expert < plan.count; ++expert) {
    const auto places = (routed.experts == expert).nonzero();
    const at::Tensor token = places.select(1, 0);
    (*expert_tokens_)[static_cast<std::size_t>(expert)] += token.numel();
    if (token.numel() == 0 && !Watched(expert)) continue;
    const at::Tensor weight = weights.index({token, places.select(1, 1)}).unsqueeze(1);
    const at::Tensor own = rows.index_select(0, token);
    const at::Tensor given =
        plan.weighs_input ? DenseMlp(own * weight, expert) : DenseMlp(own, expert) * weight;
    sum = sum.index_add(0, token, given);
  }
  return sum.view(x.sizes());
}

bool DecoderBlock::Watched(std::int64_t expert) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const LinearSlot& slot) {
    return slot.expert == expert && (slot.on_input || slot.effective.defined());
  });
}

at::Tensor DecoderBlock::Mlp(const at::Tensor& x) const {
  return plan_.mlp.experts && !plan_.ExpertsAside() ? Experts(x, x) : DenseMlp(x, -1);
}

}  // namespace roundlab
