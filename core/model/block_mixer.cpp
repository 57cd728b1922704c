#include <ATen/ATen.h>

#include "core/kernels/causal_convolution.h"
#include "core/kernels/delta_rule.h"
#include "core/model/block.h"

namespace roundlab {
namespace {

/// What a gated delta rule is made of, as rows: q, k and v go through the convolution yet.
struct DeltaRows {
  at::Tensor qkv;      // [batch, seq, channels]
  at::Tensor gates;    // [batch, seq, value_heads, value_dim]
  at::Tensor updates;  // [batch, seq, value_heads]
  at::Tensor decays;   // the same
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

}  // namespace

at::Tensor DecoderBlock::Mix(const at::Tensor& x, const Segments* segments) const {
  const MixerPlan& plan = *plan_.mixer;
  const at::Tensor rows = Role(LinearRole::kMixerInput).Forward(x);
  const auto convolve = [&](const at::Tensor& t) {
    return CausalConvolution(t, mixer.taps, mixer.taps_bias, segments);
  };
  const LinearSlot& output = Role(LinearRole::kMixerOutput);
  if (!plan.delta) {
    const auto parts = rows.chunk(3, 2);
    return output.Forward((parts[1] * convolve(parts[0] * parts[2])).to(x.scalar_type()));
  }
  const DeltaRulePlan& delta = *plan.delta;
  const auto of = [&](LinearRole role) { return Role(role).Forward(x); };
  const DeltaRows made =
      delta.per_key_head
          ? OfKeyHeads(delta, rows, of(LinearRole::kMixerRates))
          : DeltaRows{rows, of(LinearRole::kMixerGate).unflatten(2, {delta.value_heads, -1}),
                      of(LinearRole::kMixerUpdate), of(LinearRole::kMixerDecay)};
  const std::int64_t keys = delta.key_heads * delta.key_dim;
  const auto qkv = at::silu(convolve(made.qkv))
                       .split_with_sizes({keys, keys, delta.value_heads * delta.value_dim}, 2);
  const auto heads = [](const at::Tensor& t, std::int64_t dim) {
    return t.unflatten(2, {-1, dim});
  };
  const at::Tensor decay =
      -mixer.decay.exp() * at::softplus(made.decays.to(at::kFloat) + mixer.decay_bias);
  const at::Tensor mixed =
      GatedDeltaRule({heads(qkv[0], delta.key_dim), heads(qkv[1], delta.key_dim),
                      heads(qkv[2], delta.value_dim), decay, made.updates.sigmoid()},
                     segments);
  const at::Tensor gated = Normed(NormPlace::kMixed, mixed) * at::silu(made.gates.to(at::kFloat));
  return output.Forward(gated.flatten(2).to(x.scalar_type()));
}

}  // namespace roundlab
