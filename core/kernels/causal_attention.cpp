#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "core/base/error.h"
#include "core/kernels/attention_gradient.h"
#include "core/kernels/bfloat16_gradient.h"
#include "core/kernels/bfloat16_tile.h"
#include "core/kernels/device_attention.h"
#include "core/kernels/ops.h"
#include "core/kernels/ordered_attention.h"
#include "core/kernels/reference.h"

namespace roundlab {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Variable forward(AutogradContext* ctx, const Variable& q, const Variable& k,
                          const Variable& v, double scale, std::int64_t window) {
    ctx->save_for_backward({q, k, v});
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["window"] = window;
    AttentionOptions options;
    options.scale = scale;
    options.window = window;
    return Attend(q, k, v, options);
  }
  static at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options) {
    std::vector<Segment> texts;
    for (std::int64_t i = 0; i < q.size(0); ++i) texts.push_back({{i * q.size(1), q.size(1)}, {}});
    return PackedAttention(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), texts, options)
        .view_as(q);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    AttentionOptions options;
    options.scale = ctx->saved_data["scale"].toDouble();
    options.window = ctx->saved_data["window"].toInt();
    const auto backward = saved[0].scalar_type() == at::kBFloat16 ? Bfloat16AttentionBackward
                                                                  : CausalAttentionBackward;
    const AttentionGradients d =
        backward(saved[0], saved[1], saved[2], grads[0].contiguous(), options);
    return {d.q, d.k, d.v, {}, {}};
  }
};

/// Gradients where the options are plain.
at::Tensor FusedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const AttentionOptions& options) {
  if (!options.Plain()) return AttentionFunction::Attend(q, k, v, options);
  return AttentionFunction::apply(q, k, v, options.scale, options.window);
}

bool HasFusedAttention(const at::Tensor& q) {
  if (!q.is_cpu()) return false;
  return q.scalar_type() == at::kFloat || (q.scalar_type() == at::kBFloat16 && HasTileUnits());
}

/// Chunks see nothing of one another: each is a text of its own.
at::Tensor AttentionInChunks(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionOptions& options) {
  const AttentionOptions within = options.WithoutChunks();
  const std::int64_t whole = q.size(1) / options.chunk * options.chunk;
  const auto last = [&](const at::Tensor& x) { return x.slice(1, whole); };
  if (whole == 0) return CausalAttention(q, k, v, within);
  const auto chunks = [&](const at::Tensor& x) {
    return x.narrow(1, 0, whole).reshape({-1, options.chunk, x.size(2), x.size(3)});
  };
  const at::Tensor mixed = CausalAttention(chunks(q), chunks(k), chunks(v), within)
                               .reshape({q.size(0), whole, q.size(2), q.size(3)});
  if (whole == q.size(1)) return mixed;
  return at::cat({mixed, CausalAttention(last(q), last(k), last(v), within)}, 1);
}

}  // namespace

at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options) {
  if (options.chunk > 0) return AttentionInChunks(q, k, v, options);
  const bool graph =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  if (options.Plain() && HasFlashAttention(q)) return FlashAttention(q, k, v, options, graph);
  // The fused backward pass knows plain options only.
  if (HasFusedAttention(q) && (options.Plain() || !graph)) {
    return FusedAttention(q.contiguous(), k.contiguous(), v.contiguous(), options);
  }
  if (q.is_cpu() && at::isReducedFloatingType(q.scalar_type())) {  // as packed texts have it
    return CausalAttention(q.to(at::kFloat), k.to(at::kFloat), v.to(at::kFloat), options)
        .to(q.scalar_type());
  }
  if (q.is_cuda() && graph && options.Plain() && at::globalContext().deterministicAlgorithms()) {
    return OrderedAttention(q, k, v, options);
  }
  return reference::CausalAttention(q, k, v, options);
}

at::Tensor NewestAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options) {
  if (q.size(1) == k.size(1)) return CausalAttention(q, k, v, options);
  ROUNDLAB_CHECK(q.size(1) == 1, "one new token a text");
  const std::int64_t keys = k.size(1);
  const std::int64_t reach = options.chunk > 0 ? (keys - 1) % options.chunk + 1 : keys;
  const std::int64_t seen = options.window > 0 ? std::min(options.window, reach) : reach;
  const auto by_head = [&](const at::Tensor& t) {
    return t.narrow(1, t.size(1) - seen, seen).transpose(1, 2);
  };
  const std::int64_t kv_heads = k.size(2);
  const at::Tensor queries = q.reshape({q.size(0), kv_heads, q.size(2) / kv_heads, q.size(3)});
  const at::Tensor scores = at::matmul(queries, by_head(k).transpose(2, 3)) * options.scale;
  const at::Tensor weights =
      AttentionWeights(scores.reshape({q.size(0), q.size(2), 1, seen}), {}, options);
  return at::matmul(weights.view(scores.sizes()), by_head(v)).view(q.sizes());
}

}  // namespace roundlab
