#include "core/model/block.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"
#include "core/kernels/ops.h"

namespace roundlab {
namespace {

enum : std::size_t { kQ, kK, kV, kO, kGate, kUp, kDown };

at::Tensor Activate(const std::string& activation, const at::Tensor& gate, const at::Tensor& up) {
  if (activation == "silu") return SwiGlu(gate, up);
  if (activation == "gelu") return at::gelu(gate) * up;
  if (activation == "gelu_tanh") return at::gelu(gate, "tanh") * up;
  return at::relu(gate) * up;
}

}  // namespace

at::Tensor LinearSlot::Forward(const at::Tensor& x) const {
  if (on_input) on_input(x);
  const at::Tensor w = Current().to(x.scalar_type());
  const at::Tensor& b = effective_bias.defined() ? effective_bias : bias;
  return at::linear(x, w, b.defined() ? b.to(x.scalar_type()) : b);
}

const std::vector<std::string>& DecoderBlock::LinearNames() {
  static const std::vector<std::string> kNames = {
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
  return kNames;
}

std::vector<std::string> DecoderBlock::LinearNames(std::int64_t block) {
  std::vector<std::string> names;
  for (const std::string& name : LinearNames()) {
    names.push_back("model.layers." + std::to_string(block) + "." + name);
  }
  return names;
}

DecoderBlock::DecoderBlock(const ModelDescription& description, std::int64_t place)
    : index(place), description_(description) {
  constexpr std::size_t kInputs[] = {0, 0, 0, 1, 2, 2, 3};
  for (const std::string& name : LinearNames(place)) {
    LinearSlot slot;
    slot.name = name;
    slot.input = kInputs[slots_.size()];
    slots_.push_back(std::move(slot));
  }
}

std::vector<LinearSlot*> DecoderBlock::Linears() {
  std::vector<LinearSlot*> slots;
  for (LinearSlot& slot : slots_) slots.push_back(&slot);
  return slots;
}

AttentionOptions DecoderBlock::MixOptions() const {
  return {1.0 / std::sqrt(static_cast<double>(description_.head_dim)),
          description_.windows[static_cast<std::size_t>(index)]};
}

at::Tensor DecoderBlock::MixPacked(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const Segments& segments) const {
  const auto rows = [](const at::Tensor& x) { return x.squeeze(0).to(at::kFloat).contiguous(); };
  return PackedAttention(rows(q), rows(k), rows(v), segments, MixOptions()).to(q.scalar_type());
}

at::Tensor DecoderBlock::Attention(const at::Tensor& x, const RopeTable& rope,
                                   const Segments* segments) const {
  const ModelDescription& d = description_;
  const std::int64_t batch = x.size(0);
  const std::int64_t seq = x.size(1);
  at::Tensor q = slots_[kQ].Forward(x).view({batch, seq, d.heads, d.head_dim});
  at::Tensor k = slots_[kK].Forward(x).view({batch, seq, d.kv_heads, d.head_dim});
  const at::Tensor v = slots_[kV].Forward(x).view({batch, seq, d.kv_heads, d.head_dim});
  if (d.qk_norm) {
    q = RmsNorm(q, q_norm, d.norm_eps);
    k = RmsNorm(k, k_norm, d.norm_eps);
  }
  ROUNDLAB_CHECK(rope.cosine.size(0) >= seq, "sequence is longer than the rotary table");
  const at::Tensor cosine = rope.cosine.narrow(0, 0, seq);
  const at::Tensor sine = rope.sine.narrow(0, 0, seq);
  q = ApplyRope(q, cosine, sine);
  k = ApplyRope(k, cosine, sine);
  const at::Tensor mixed =
      segments == nullptr ? CausalAttention(q, k, v, MixOptions()) : MixPacked(q, k, v, *segments);
  return slots_[kO].Forward(mixed.reshape({batch, seq, d.heads * d.head_dim}));
}

at::Tensor DecoderBlock::Mlp(const at::Tensor& x) const {
  const at::Tensor gate = slots_[kGate].Forward(x);
  const at::Tensor up = slots_[kUp].Forward(x);
  return slots_[kDown].Forward(Activate(description_.activation, gate, up));
}

at::Tensor DecoderBlock::Run(const at::Tensor& hidden, const RopeTable& rope,
                             const Segments* segments) const {
  ROUNDLAB_CHECK(hidden.dim() == 3 && hidden.size(2) == description_.hidden,
                 "hidden must be [batch, seq, hidden]");
  const at::Tensor attended =
      hidden + Attention(RmsNorm(hidden, norm1, description_.norm_eps), rope, segments);
  return attended + Mlp(RmsNorm(attended, norm2, description_.norm_eps));
}

at::Tensor DecoderBlock::Forward(const at::Tensor& hidden, const RopeTable& rope) const {
  return Run(hidden, rope, nullptr);
}

at::Tensor DecoderBlock::ForwardPacked(const at::Tensor& hidden, const RopeTable& rope,
                                       const Segments& segments) const {
  return Run(hidden, rope, &segments);
}

}  // namespace roundlab
