#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/kernels/ops.h"
#include "core/model/block.h"
#include "core/quant/activation_quantizer.h"
#include "core/quant/incoherence.h"

namespace roundlab {

/// q [batch, seq, heads, head_dim], k [batch, seq, kv_heads, head_dim], v [.., value_dim].
struct DecoderBlock::Heads {
  at::Tensor q;
  at::Tensor k;
  at::Tensor v = {};
  at::Tensor gates = {};  // like q, or [batch, seq, heads, 1], or undefined
};

DecoderBlock::Heads DecoderBlock::ProjectLatents(const at::Tensor& x) const {
  const AttentionPlan& a = plan_.attention;
  const std::vector<std::int64_t> heads = {x.size(0), x.size(1), a.heads, -1};
  at::Tensor q;
  if (Has(LinearRole::kQuery)) {
    q = Role(LinearRole::kQuery).Forward(x);
  } else {
    const at::Tensor latent = Role(LinearRole::kQueryDown).Forward(x);
    q = Role(LinearRole::kQueryUp).Forward(Normed(NormPlace::kQueryLatent, latent));
  }
  const at::Tensor down = Role(LinearRole::kKeyValueDown).Forward(x);
  const at::Tensor latent = Normed(NormPlace::kKeyValueLatent, down.narrow(2, 0, a.latent));
  const at::Tensor up = Role(LinearRole::kKeyValueUp).Forward(latent).view(heads);
  const at::Tensor shared = down.narrow(2, a.latent, a.rotary_dim).unsqueeze(2);
  const std::int64_t own = a.head_dim - a.rotary_dim;
  const at::Tensor k =
      at::cat({up.narrow(3, 0, own), shared.expand({-1, -1, a.heads, a.rotary_dim})}, 3);
  return {q.view(heads), k, up.narrow(3, own, a.value_dim)};
}

DecoderBlock::Heads DecoderBlock::Project(const at::Tensor& x) const {
  const AttentionPlan& a = plan_.attention;
  if (a.latent > 0) return ProjectLatents(x);
  const std::int64_t batch = x.size(0);
  const std::int64_t seq = x.size(1);
  const auto split = [&](const at::Tensor& rows, std::int64_t heads) {
    return rows.reshape({batch, seq, heads, a.head_dim});
  };
  if (!Has(LinearRole::kQueryKeyValue)) {
    const bool pairs_of_rows = a.gated && !a.gate_apart;
    Heads heads = {split(Role(LinearRole::kQuery).Forward(x), (pairs_of_rows ? 2 : 1) * a.heads),
                   split(Role(LinearRole::kKey).Forward(x), a.kv_heads)};
    heads.v =
        Has(LinearRole::kValue) ? split(Role(LinearRole::kValue).Forward(x), a.kv_heads) : heads.k;
    if (a.gate_apart) {
      const at::Tensor rows = Role(LinearRole::kAttentionGate).Forward(x);
      heads.gates = rows.view({batch, seq, a.heads, -1});
    }
    if (!pairs_of_rows) return heads;
    const auto pairs = heads.q.unflatten(2, {a.heads, 2}).unbind(3);
    heads.q = pairs[0];
    heads.gates = pairs[1];
    return heads;
  }
  const at::Tensor all = Role(LinearRole::kQueryKeyValue).Forward(x);
  const FusedHeads fused = HeadsOf(a);
  const at::Tensor grouped = all.view({batch, seq, fused.groups, fused.Size(), a.head_dim});
  return {split(grouped.narrow(3, 0, fused.queries), a.heads),
          split(grouped.narrow(3, fused.key, fused.keys), a.kv_heads),
          split(grouped.narrow(3, fused.value, fused.keys), a.kv_heads)};
}

at::Tensor DecoderBlock::Rotate(const at::Tensor& x, const RopeTable& rope) const {
  const AttentionPlan& a = plan_.attention;
  const std::int64_t seq = x.size(1);
  const RopeAngles angles = rope.Angles(a.rope);
  ROUNDLAB_CHECK(angles.cosine.defined() && angles.cosine.size(0) >= seq,
                 "sequence is longer than the rotary table");
  const at::Tensor cosine = angles.cosine.narrow(0, 0, seq);
  const at::Tensor sine = angles.sine.narrow(0, 0, seq);
  if (a.rotary == RotaryStyle::kHalf && a.rotary_dim == a.head_dim) {
    return ApplyRope(x, cosine, sine);
  }
  const at::Tensor part = x.narrow(3, a.rotary_begin, a.rotary_dim);
  at::Tensor turned;
  if (a.rotary == RotaryStyle::kHalf) {
    turned = ApplyRope(part, cosine, sine);
  } else {
    const at::Tensor even_odd = part.unflatten(3, {a.rotary_dim / 2, 2}).transpose(3, 4);
    turned = ApplyRope(even_odd.flatten(3), cosine, sine)
                 .unflatten(3, {2, a.rotary_dim / 2})
                 .transpose(3, 4)
                 .flatten(3);
  }
  if (a.rotary_dim == a.head_dim) return turned;
  return at::cat(
      {x.narrow(3, 0, a.rotary_begin), turned, x.slice(3, a.rotary_begin + a.rotary_dim)}, 3);
}

void KeyValues::Append(const at::Tensor& more_keys, const at::Tensor& more_values) {
  keys = keys.defined() ? at::cat({keys, more_keys}, 1) : more_keys;
  values = values.defined() ? at::cat({values, more_values}, 1) : more_values;
}

at::Tensor DecoderBlock::NormedHeads(NormPlace place, const at::Tensor& rows) const {
  const NormSlot* norm = FindNorm(place);
  if (norm == nullptr) return rows;
  if (norm->plan.width == plan_.attention.head_dim) return norm->Forward(rows);
  return norm->Forward(rows.flatten(2)).view(rows.sizes());
}

at::Tensor DecoderBlock::Attention(const at::Tensor& x, const RopeTable& rope,
                                   const Segments* segments) const {
  const AttentionPlan& a = plan_.attention;
  auto [q, k, v, gates] = Project(x);
  const auto norm = [&](at::Tensor& query, at::Tensor& key) {
    query = NormedHeads(NormPlace::kQuery, query);
    key = NormedHeads(NormPlace::kKey, key);
  };
  v = NormedHeads(NormPlace::kValue, v);
  if (!a.norm_after_rotary) norm(q, k);
  if (a.clip > 0) {
    for (at::Tensor* t : {&q, &k, &v}) *t = t->clamp(-a.clip, a.clip);
  }
  const auto keep = [&] {
    if (cache.on_cache) cache.on_cache(k, v);
    if (cache.keys != nullptr) k = cache.keys->Apply(k);
    if (cache.values != nullptr) v = cache.values->Apply(v);
  };
  if (cache.before_rotary) keep();
  if (a.rotary != RotaryStyle::kNone) {
    q = Rotate(q, rope);
    k = Rotate(k, rope);
  }
  if (a.norm_after_rotary) norm(q, k);
  if (a.tempered) {
    const at::Tensor factors = rope.temper.narrow(0, 0, q.size(1)).view({-1, 1, 1});
    q = (q * factors).to(q.scalar_type());
  }
  if (cache.turned) {
    q = HadamardTransform(q);
    k = HadamardTransform(k);
  }
  if (!cache.before_rotary) keep();
  // The kernels know one width; a value's further dimensions come out as the zeros they are.
  if (a.value_dim < a.head_dim) v = at::constant_pad_nd(v, {0, a.head_dim - a.value_dim});
  at::Tensor mixed;
  if (cache.past != nullptr) {
    cache.past->Append(k, v);
    mixed = NewestAttention(q, cache.past->keys, cache.past->values, mixing_);
  } else if (segments == nullptr) {
    mixed = CausalAttention(q, k, v, mixing_);
  } else {
    mixed = PackedAttention(q.squeeze(0), k.squeeze(0), v.squeeze(0), *segments, mixing_);
  }
  if (a.value_dim < a.head_dim) mixed = mixed.narrow(-1, 0, a.value_dim);
  if (gates.defined()) {
    const at::Tensor factors = a.softplus_gate ? at::softplus(gates) : gates.sigmoid();
    mixed = mixed.view({x.size(0), x.size(1), a.heads, -1}) * factors;
  }
  return Role(LinearRole::kAttentionOutput)
      .Forward(mixed.reshape({x.size(0), x.size(1), a.heads * a.value_dim}));
}

}  // namespace roundlab
