// Part of the simulated GPU (README.md): attention that libtorch has on cards alone, by its
// formula.

#include <ATen/ATen.h>
#include <ATen/native/transformers/attention.h>
#include <torch/library.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "tests/simulated_gpu/memory.h"
#include "tests/simulated_gpu/queues.h"

namespace simulated_gpu {
namespace {

struct Mask {
  bool causal = true;
  std::optional<std::int64_t> before;
  std::optional<std::int64_t> after;
};

// Worked out in the machine's memory, so that none of it counts as the card's.

at::Tensor OnHost(const at::Tensor& t) { return t.defined() ? t.cpu() : t; }

/// What flash attention asks of its inputs, [..., heads, dim].
void Check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  for (const at::Tensor& t : {q, k, v}) {
    TORCH_CHECK(t.is_cuda() && t.stride(-1) == 1, "attention: rows of a card that are whole");
    TORCH_CHECK(t.scalar_type() == at::kHalf || t.scalar_type() == at::kBFloat16,
                "attention: 16-bit numbers");
    TORCH_CHECK(t.size(-1) % 8 == 0 && t.size(-1) <= 256, "attention: sizes of heads");
  }
  TORCH_CHECK(q.size(-2) % k.size(-2) == 0 && k.size(-2) == v.size(-2), "attention: heads");
}

/// [rows, heads, dim] as float32 [heads, rows, dim], every head of the keys for those that share
/// it.
at::Tensor Heads(const at::Tensor& t, std::int64_t heads) {
  return t.to(at::kFloat).transpose(0, 1).repeat_interleave(heads / t.size(1), 0);
}

/// Scores [heads, queries, keys]; the last query sees the last key.
at::Tensor Scores(const at::Tensor& q, const at::Tensor& k, double scale, const Mask& mask) {
  const std::int64_t apart = k.size(1) - q.size(1);
  const auto place = at::arange(q.size(1), q.options().dtype(at::kLong)).unsqueeze(1) + apart;
  const auto other = at::arange(k.size(1), q.options().dtype(at::kLong)).unsqueeze(0);
  at::Tensor hidden = at::zeros({q.size(1), k.size(1)}, q.options().dtype(at::kBool));
  if (mask.causal) hidden = hidden | (other > place);
  if (mask.before) hidden = hidden | (other < place - *mask.before);
  if (mask.after) hidden = hidden | (other > place + *mask.after);
  return (at::matmul(q, k.transpose(1, 2)) * scale)
      .masked_fill(hidden, -std::numeric_limits<float>::infinity());
}

struct Mixed {
  at::Tensor out;   // [queries, heads, dim]
  at::Tensor sums;  // [heads, queries]
};

Mixed Mix(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
          const Mask& mask) {
  const at::Tensor scores = Scores(Heads(q, q.size(1)), Heads(k, q.size(1)), scale, mask);
  const at::Tensor sums = scores.logsumexp(-1);
  const at::Tensor out = at::matmul((scores - sums.unsqueeze(-1)).exp(), Heads(v, q.size(1)));
  return {out.transpose(0, 1).to(q.scalar_type()), sums};
}

double ScaleOf(std::optional<double> scale, const at::Tensor& q) {
  return scale.value_or(1 / std::sqrt(static_cast<double>(q.size(-1))));
}

using FiveTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

/// Rows of both sides, [rows, heads, dim] each, with the place where their outputs go.
struct Piece {
  at::Tensor q, k, v;
  at::Tensor out;   // [queries, heads, dim]
  at::Tensor sums;  // [heads, queries]
};

/// A sequence of a batch each, q [batch, seq, heads, dim].
std::vector<Piece> Sequences(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& out, const at::Tensor& sums) {
  std::vector<Piece> pieces;
  for (std::int64_t i = 0; i < q.size(0); ++i) {
    pieces.push_back({q[i], k[i], v[i], out[i], sums[i]});
  }
  return pieces;
}

/// Rows one after the other, q [rows, heads, dim]; of a piece those between two starts.
std::vector<Piece> Packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& q_starts, const at::Tensor& k_starts,
                          const at::Tensor& out, const at::Tensor& sums) {
  std::vector<Piece> pieces;
  for (std::int64_t i = 0; i + 1 < q_starts.numel(); ++i) {
    const auto of_q = q_starts[i].item<std::int32_t>();
    const auto of_k = k_starts[i].item<std::int32_t>();
    const std::int32_t queries = q_starts[i + 1].item<std::int32_t>() - of_q;
    const std::int32_t keys = k_starts[i + 1].item<std::int32_t>() - of_k;
    pieces.push_back({q.narrow(0, of_q, queries), k.narrow(0, of_k, keys), v.narrow(0, of_k, keys),
                      out.narrow(0, of_q, queries), sums.narrow(1, of_q, queries)});
  }
  return pieces;
}

FiveTensors FlashForward(const at::Tensor& of_q, const at::Tensor& of_k, const at::Tensor& of_v,
                         const std::optional<at::Tensor>& q_starts,
                         const std::optional<at::Tensor>& k_starts, std::int64_t most_q,
                         std::int64_t most_k, double dropout, bool causal, bool /*debug*/,
                         std::optional<double> scale, std::optional<std::int64_t> before,
                         std::optional<std::int64_t> after,
                         const std::optional<at::Tensor>& /*used*/,
                         const std::optional<at::Tensor>& /*slopes*/) {
  Check(of_q, of_k, of_v);
  TORCH_CHECK(dropout == 0, "attention: no dropout");
  for (const auto& starts : {q_starts, k_starts}) {
    TORCH_CHECK(!starts || (starts->is_cuda() && starts->scalar_type() == at::kInt),
                "attention: starts are int32 of the card");
  }
  const at::Tensor q = OnHost(of_q);
  const at::Tensor k = OnHost(of_k);
  const at::Tensor v = OnHost(of_v);
  const at::Tensor out = at::empty(q.sizes(), q.options());
  const at::Tensor sums = at::empty(q_starts ? at::DimVector{q.size(1), q.size(0)}
                                             : at::DimVector{q.size(0), q.size(2), q.size(1)},
                                    at::kFloat);
  for (const Piece& piece : q_starts
                                ? Packed(q, k, v, OnHost(*q_starts), OnHost(*k_starts), out, sums)
                                : Sequences(q, k, v, out, sums)) {
    TORCH_CHECK(piece.q.size(0) <= most_q && piece.k.size(0) <= most_k, "attention: lengths");
    const Mixed mixed = Mix(piece.q, piece.k, piece.v, ScaleOf(scale, q), {causal, before, after});
    piece.out.copy_(mixed.out);
    piece.sums.copy_(mixed.sums);
  }
  const at::Device card = of_q.device();
  const auto whole = at::TensorOptions(card).dtype(at::kUInt64);
  return {out.to(card), sums.to(card), at::zeros({2}, whole), at::zeros({}, whole),
          at::empty({0}, of_q.options())};
}

using ThreeTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

ThreeTensors FlashBackward(const at::Tensor& slope_of_out, const at::Tensor& of_q,
                           const at::Tensor& of_k, const at::Tensor& of_v, const at::Tensor& of_out,
                           const at::Tensor& of_sums, const at::Tensor& q_starts,
                           const at::Tensor& /*k_starts*/, std::int64_t /*most_q*/,
                           std::int64_t /*most_k*/, double /*dropout*/, bool causal,
                           const at::Tensor& state, const at::Tensor& unused,
                           std::optional<double> scale, std::optional<std::int64_t> before,
                           std::optional<std::int64_t> after) {
  Check(of_q, of_k, of_v);
  TORCH_CHECK(!q_starts.defined() && slope_of_out.is_contiguous() && of_out.is_contiguous() &&
                  of_sums.is_contiguous() && of_sums.scalar_type() == at::kFloat &&
                  state.defined() && unused.defined(),
              "attention: what its backward pass needs");
  const at::Tensor d_out = OnHost(slope_of_out);
  const at::Tensor q = OnHost(of_q);
  const at::Tensor k = OnHost(of_k);
  const at::Tensor v = OnHost(of_v);
  const at::Tensor out = OnHost(of_out);
  const at::Tensor sums = OnHost(of_sums);
  const std::int64_t heads = q.size(2);
  const std::int64_t shared = heads / k.size(2);
  at::Tensor dq = at::empty_like(q);
  at::Tensor dk = at::empty_like(k);
  at::Tensor dv = at::empty_like(v);
  const auto together = [&](const at::Tensor& t) {  // [heads, keys, dim] -> [keys, kv heads, dim]
    return t.reshape({k.size(2), shared, t.size(1), t.size(2)}).sum(1).transpose(0, 1);
  };
  for (std::int64_t i = 0; i < q.size(0); ++i) {
    const at::Tensor keys = Heads(k[i], heads);
    const at::Tensor queries = Heads(q[i], heads);
    const at::Tensor slope = Heads(d_out[i], heads);
    const at::Tensor scores = Scores(queries, keys, ScaleOf(scale, q), {causal, before, after});
    const at::Tensor p = (scores - sums[i].unsqueeze(-1)).exp();
    const at::Tensor dp = at::matmul(slope, Heads(v[i], heads).transpose(1, 2));
    const at::Tensor own = (slope * Heads(out[i], heads)).sum(-1, true);
    const at::Tensor ds = p * (dp - own) * ScaleOf(scale, q);
    dq[i].copy_(at::matmul(ds, keys).transpose(0, 1));
    dk[i].copy_(together(at::matmul(ds.transpose(1, 2), queries)));
    dv[i].copy_(together(at::matmul(p.transpose(1, 2), slope)));
  }
  const at::Device card = of_q.device();
  return {dq.to(card), dk.to(card), dv.to(card)};
}

using Nine = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, c10::SymInt, c10::SymInt,
                        at::Tensor, at::Tensor, at::Tensor>;

Nine CudnnForward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const std::optional<at::Tensor>& bias, bool with_sums, double dropout,
                  bool causal, bool /*debug*/, std::optional<double> scale) {
  TORCH_CHECK(!bias && causal, "attention: plain and causal");
  const auto flat = [](const at::Tensor& t) { return t.transpose(1, 2); };
  const auto [out, sums, state, unused, debug] =
      FlashForward(flat(q), flat(k), flat(v), {}, {}, q.size(2), k.size(2), dropout, true, false,
                   scale, {}, {}, {}, {});
  return {out.transpose(1, 2),
          with_sums ? sums.unsqueeze(-1) : at::Tensor(),
          {},
          {},
          q.size(2),
          k.size(2),
          state,
          unused,
          debug};
}

ThreeTensors CudnnBackward(const at::Tensor& d_out, const at::Tensor& q, const at::Tensor& k,
                           const at::Tensor& v, const at::Tensor& out, const at::Tensor& sums,
                           const at::Tensor& state, const at::Tensor& unused,
                           const at::Tensor& /*bias*/, const at::Tensor& /*q_starts*/,
                           const at::Tensor& /*k_starts*/, std::int64_t most_q, std::int64_t most_k,
                           double dropout, bool causal, std::optional<double> scale) {
  const auto flat = [](const at::Tensor& t) { return t.transpose(1, 2).contiguous(); };
  const auto [dq, dk, dv] = FlashBackward(flat(d_out), flat(q), flat(k), flat(v), flat(out),
                                          sums.squeeze(-1).contiguous(), {}, {}, most_q, most_k,
                                          dropout, causal, state, unused, scale, {}, {});
  return {dq.transpose(1, 2), dk.transpose(1, 2), dv.transpose(1, 2)};
}

/// cuDNN's for 16-bit numbers, else by ordinary operations.
std::int64_t Choose(const at::Tensor& q, const at::Tensor& /*k*/, const at::Tensor& /*v*/,
                    const std::optional<at::Tensor>& bias, double /*dropout*/, bool causal,
                    std::optional<double> /*scale*/, bool /*grouped*/) {
  constexpr std::int64_t kByOperations = 0;
  constexpr std::int64_t kCudnn = 3;
  const bool narrow = q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16;
  return narrow && !bias && causal && q.size(-1) % 8 == 0 && q.size(-1) <= 128 ? kCudnn
                                                                               : kByOperations;
}

}  // namespace

}  // namespace simulated_gpu

namespace at::native {  // where libtorch's macro looks for the stub
REGISTER_CUDA_DISPATCH(_fused_sdp_choice_stub, &simulated_gpu::Choose)
}  // namespace at::native

namespace simulated_gpu {

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("_flash_attention_forward", &FlashForward);
  library.impl("_flash_attention_backward", &FlashBackward);
  library.impl("_scaled_dot_product_cudnn_attention", &CudnnForward);
  library.impl("_scaled_dot_product_cudnn_attention_backward", &CudnnBackward);
  library.impl("_fused_sdp_choice", &Choose);
}

}  // namespace simulated_gpu
