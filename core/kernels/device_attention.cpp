#include "core/kernels/device_attention.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "core/kernels/deterministic.h"
#include "core/kernels/device.h"

namespace roundlab {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

std::optional<std::int64_t> Before(const AttentionOptions& options) {
  if (options.window == 0) return std::nullopt;
  return options.window - 1;
}

/// Whether libtorch takes cuDNN's attention for these, [batch, seq, heads, dim].
bool PrefersCudnn(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale) {
  constexpr std::int64_t kCudnn = 3;  // sdp::SDPBackend::cudnn_attention
  return at::_fused_sdp_choice(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                               std::nullopt, 0.0, true, scale, q.size(2) != k.size(2)) == kCudnn;
}

/// What flash attention's backward pass needs of a forward pass.
struct Mixed {
  at::Tensor out;   // [batch, seq, heads, dim]
  at::Tensor sums;  // logarithms of the softmax's sums, float32 [batch, heads, seq]
  at::Tensor state;
  at::Tensor unused;
};

Mixed MixByFlash(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                 std::optional<std::int64_t> before) {
  const auto after = before ? std::optional<std::int64_t>(0) : std::nullopt;
  const auto [out, sums, state, unused, debug] =
      at::_flash_attention_forward(q, k, v, std::nullopt, std::nullopt, q.size(1), k.size(1), 0.0,
                                   true, false, scale, before, after);
  return {out, sums, state, unused};
}

/// By cuDNN, whose forward pass takes half of flash attention's time and has one order of sums.
Mixed MixByCudnn(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale) {
  const auto results = at::_scaled_dot_product_cudnn_attention(
      q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), std::nullopt,
      /*compute_log_sumexp=*/true, 0.0, true, false, scale);
  const auto options = q.options().dtype(at::kUInt64);
  return {std::get<0>(results).transpose(1, 2).contiguous(),
          std::get<1>(results).reshape({q.size(0), q.size(2), q.size(1)}), at::empty({2}, options),
          at::empty({}, options)};  // of dropout, of which there is none
}

/// Attention, q, k and v [batch, seq, heads, dim], with flash attention's backward pass, whose sums
/// have one order.
struct OrderedFlash : torch::autograd::Function<OrderedFlash> {
  static Variable forward(AutogradContext* ctx, const Variable& q, const Variable& k,
                          const Variable& v, double scale, std::optional<std::int64_t> before) {
    const auto mixed = before || !PrefersCudnn(q, k, v, scale) ? MixByFlash(q, k, v, scale, before)
                                                               : MixByCudnn(q, k, v, scale);
    ctx->save_for_backward({q, k, v, mixed.out, mixed.sums, mixed.state, mixed.unused});
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["before"] = before;
    return mixed.out;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const Deterministic deterministic;
    const auto s = ctx->get_saved_variables();
    const auto before = ctx->saved_data["before"].toOptional<std::int64_t>();
    const auto after = before ? std::optional<std::int64_t>(0) : std::nullopt;
    const auto [dq, dk, dv] = at::_flash_attention_backward(
        grads[0].contiguous(), s[0], s[1], s[2], s[3], s[4], at::Tensor(), at::Tensor(),
        s[0].size(1), s[1].size(1), 0.0, true, s[5], s[6], ctx->saved_data["scale"].toDouble(),
        before, after);
    return {dq, dk, dv, {}, {}};
  }
};

template <class T>
at::Tensor OnDevice(const std::vector<T>& values, at::ScalarType dtype, const at::Device& device) {
  return at::tensor(at::ArrayRef<T>(values), dtype).to(device);
}

}  // namespace

bool HasFlashAttention(const at::Tensor& q) {
  const bool narrow = q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16;
  return q.is_cuda() && narrow && q.size(-1) % 8 == 0 && q.size(-1) <= 256 &&
         ComputeCapability(q.device()) >= 80;
}

at::Tensor FlashAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const AttentionOptions& options, bool graph) {
  const std::int64_t seq = q.size(1);
  const bool whole = options.window == 0 || options.window >= seq;
  if (graph && at::globalContext().deterministicAlgorithms()) {
    return OrderedFlash::apply(q.contiguous(), k.contiguous(), v.contiguous(), options.scale,
                               whole ? std::nullopt : Before(options));
  }
  if (whole) {  // by cuDNN, where that is faster
    return at::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                            std::nullopt, 0.0, true, options.scale,
                                            q.size(2) != k.size(2))
        .transpose(1, 2);
  }
  return std::get<0>(at::_flash_attention_forward(q.contiguous(), k.contiguous(), v.contiguous(),
                                                  std::nullopt, std::nullopt, seq, seq, 0.0, true,
                                                  false, options.scale, Before(options), 0));
}

PackedRows RowsOf(const std::vector<Segment>& segments) {
  PackedRows rows;
  rows.query_starts.push_back(0);
  rows.key_starts.push_back(0);
  const auto add = [](const RowRange& range, std::vector<std::int64_t>* to) {
    for (std::int64_t i = 0; i < range.length; ++i) to->push_back(range.begin + i);
  };
  for (const Segment& segment : segments) {
    if (segment.own.length == 0) continue;
    for (const RowRange& range : segment.prefix) add(range, &rows.keys);
    add(segment.own, &rows.keys);
    add(segment.own, &rows.queries);
    const auto keys = static_cast<std::int32_t>(rows.keys.size());
    rows.most_queries = std::max(rows.most_queries, segment.own.length);
    rows.most_keys = std::max<std::int64_t>(rows.most_keys, keys - rows.key_starts.back());
    rows.query_starts.push_back(static_cast<std::int32_t>(rows.queries.size()));
    rows.key_starts.push_back(keys);
  }
  return rows;
}

at::Tensor FlashPackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                const std::vector<Segment>& segments,
                                const AttentionOptions& options) {
  const PackedRows rows = RowsOf(segments);
  at::Tensor output = at::zeros_like(q);
  if (rows.queries.empty()) return output;
  const at::Tensor queries = OnDevice(rows.queries, at::kLong, q.device());
  const at::Tensor keys = OnDevice(rows.keys, at::kLong, q.device());
  const auto window = Before(options);
  const at::Tensor mixed = std::get<0>(at::_flash_attention_forward(
      q.index_select(0, queries), k.index_select(0, keys), v.index_select(0, keys),
      OnDevice(rows.query_starts, at::kInt, q.device()),
      OnDevice(rows.key_starts, at::kInt, q.device()), rows.most_queries, rows.most_keys, 0.0, true,
      false, options.scale, window, window ? std::optional<std::int64_t>(0) : std::nullopt));
  return output.index_copy_(0, queries, mixed);
}

}  // namespace roundlab
