#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/kernels/causal_convolution.h"
#include "core/kernels/recurrence.h"
#include "core/model/block.h"

namespace roundlab {
namespace {

/// What a gated delta rule is made of, as rows: q, k and v go through the convolution yet.
struct DeltaRows {
  at::Tensor qkv;      // [batch, seq, channels]
  at::Tensor gates;    // [batch, seq, value_heads, value_dim]
  at::Tensor updates;  // [batch, seq, value_heads]
  at::Tensor decays;   // the same, or [batch, seq, value_heads key_dim]
};

DeltaRows OfKeyHeads(const DeltaRulePlan& plan, const at::Tensor& rows, const at::Tensor& rates) {
  const std::int64_t shared = plan.value_heads / plan.key_heads;
  const std::int64_t values = shared * plan.value_dim;
  const at::Tensor heads = rows.unflatten(2, {plan.key_heads, -1});
  const auto parts = heads.split_with_sizes({plan.key_dim, plan.key_dim, values, values}, 3);
  const auto both = rates.unflatten(2, {plan.key_heads, -1}).chunk(2, 3);
  return {at::cat({parts[0].flatten(2), parts[1].flatten(2), parts[2].flatten(2)}, 2),
          parts[3].reshape({rows.size(0), rows.size(1), plan.value_heads, plan.value_dim}),
          both[0].flatten(2), both[1].flatten(2)};
}

at::Tensor InHeads(const at::Tensor& rows, std::int64_t dim) {
  return rows.unflatten(2, {-1, dim});
}

/// A state space's rows, each kind of them times its factor.
at::Tensor TimesFactors(const StateSpacePlan& s, const at::Tensor& rows) {
  if (std::all_of(s.factors.begin(), s.factors.end(), [](double f) { return f == 1; })) return rows;
  const std::int64_t inner = s.heads * s.head_dim;
  const std::int64_t states = s.groups * s.state;
  const std::array<std::int64_t, 5> sizes = {inner, inner, states, states, s.heads};
  std::vector<at::Tensor> factors;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    factors.push_back(at::full({sizes[i]}, s.factors[i], rows.options().requires_grad(false)));
  }
  return rows * at::cat(factors);
}

}  // namespace

at::Tensor DecoderBlock::MixByDeltaRule(const at::Tensor& x, const Segments* segments) const {
  const DeltaRulePlan& delta = *plan_.mixer->delta;
  const auto of = [&](LinearRole role) { return Role(role).Forward(x); };
  const at::Tensor rows = delta.apart
                              ? at::cat({of(LinearRole::kMixerQuery), of(LinearRole::kMixerKey),
                                         of(LinearRole::kMixerValue)},
                                        2)
                              : of(LinearRole::kMixerInput);
  const auto made_of = [&](LinearRole alone, LinearRole down, LinearRole up) {
    return delta.latent > 0 ? Role(up).Forward(of(down)) : of(alone);
  };
  const DeltaRows made =
      delta.per_key_head ? OfKeyHeads(delta, rows, of(LinearRole::kMixerRates))
                         : DeltaRows{rows,
                                     made_of(LinearRole::kMixerGate, LinearRole::kMixerGateDown,
                                             LinearRole::kMixerGateUp)
                                         .unflatten(2, {delta.value_heads, -1}),
                                     of(LinearRole::kMixerUpdate),
                                     made_of(LinearRole::kMixerDecay, LinearRole::kMixerDecayDown,
                                             LinearRole::kMixerDecayUp)};
  const std::int64_t keys = delta.key_heads * delta.key_dim;
  const at::Tensor convolved =
      at::silu(CausalConvolution(made.qkv, mixer.taps, mixer.taps_bias, segments));
  const auto qkv = convolved.split_with_sizes({keys, keys, delta.value_heads * delta.value_dim}, 2);
  at::Tensor steps = at::softplus(made.decays.to(at::kFloat) + mixer.decay_bias);
  at::Tensor rates = mixer.decay.exp();
  if (delta.by_channel) {
    steps = InHeads(steps, delta.key_dim);
    rates = rates.unsqueeze(-1);
  }
  at::Tensor updates = made.updates.sigmoid();
  if (delta.update_scale != 1) updates = updates * delta.update_scale;
  const at::Tensor mixed =
      GatedDeltaRule({InHeads(qkv[0], delta.key_dim), InHeads(qkv[1], delta.key_dim),
                      InHeads(qkv[2], delta.value_dim), -rates * steps, updates},
                     segments);
  const at::Tensor gates = made.gates.to(at::kFloat);
  const at::Tensor factors = delta.by_channel ? gates.sigmoid() : at::silu(gates);
  return (Normed(NormPlace::kMixed, mixed) * factors).flatten(2);
}

at::Tensor DecoderBlock::MixByStateSpace(const at::Tensor& x, const Segments* segments) const {
  const StateSpacePlan& s = *plan_.mixer->state_space;
  const std::int64_t inner = s.heads * s.head_dim;
  const std::int64_t states = s.groups * s.state;
  const auto rows = TimesFactors(s, Role(LinearRole::kMixerInput).Forward(x))
                        .split_with_sizes({inner, inner + 2 * states, s.heads}, 2);
  const at::Tensor convolved =
      at::silu(CausalConvolution(rows[1], mixer.taps, mixer.taps_bias, segments));
  const auto parts = convolved.split_with_sizes({inner, states, states}, 2);
  at::Tensor steps =
      at::softplus(rows[2].to(at::kFloat) + mixer.decay_bias).clamp_min(s.least_step);
  if (s.largest_step > 0) steps = steps.clamp_max(s.largest_step);
  const at::Tensor values = InHeads(parts[0], s.head_dim);
  const at::Tensor mixed = StateSpace({InHeads(parts[2], s.state), InHeads(parts[1], s.state),
                                       values, -mixer.decay.exp() * steps, steps},
                                      segments) +
                           mixer.passed.unsqueeze(1) * values;
  const at::Tensor gates = at::silu(rows[0].to(at::kFloat));
  if (s.norm_first) return Normed(NormPlace::kMixed, mixed.flatten(2)) * gates;
  return Normed(NormPlace::kMixed, mixed.flatten(2) * gates);
}

at::Tensor DecoderBlock::Mix(const at::Tensor& x, const Segments* segments) const {
  const auto mixed = [&] {
    if (plan_.mixer->delta) return MixByDeltaRule(x, segments);
    if (plan_.mixer->state_space) return MixByStateSpace(x, segments);
    const auto parts = Role(LinearRole::kMixerInput).Forward(x).chunk(3, 2);
    return parts[1] * CausalConvolution(parts[0] * parts[2], mixer.taps, mixer.taps_bias, segments);
  };
  return Role(LinearRole::kMixerOutput).Forward(mixed().to(x.scalar_type()));
}

}  // namespace roundlab
