#include "core/kernels/ordered_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/base/error.h"
#include "core/kernels/deterministic.h"
#include "core/kernels/reference.h"

namespace roundlab {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Attention by a graph of its own, so that something can be said around its backward pass.
struct OrderedReference : torch::autograd::Function<OrderedReference> {
  static Variable forward(AutogradContext* ctx, const Variable& q, const Variable& k,
                          const Variable& v, double scale, std::int64_t window) {
    const at::AutoGradMode with_graph(true);
    variable_list kept;
    for (const Variable& x : {q, k, v}) kept.push_back(x.detach().requires_grad_());
    kept.push_back(reference::CausalAttention(kept[0], kept[1], kept[2], {scale, window}));
    ctx->save_for_backward(kept);
    return kept.back().detach();
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const Deterministic deterministic;
    const auto s = ctx->get_saved_variables();
    const auto found =
        torch::autograd::grad({s[3]}, {s[0], s[1], s[2]}, {grads[0]}, /*retain_graph=*/true);
    return {found[0], found[1], found[2], {}, {}};
  }
};

}  // namespace

at::Tensor OrderedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const AttentionOptions& options) {
  ROUNDLAB_CHECK(options.Plain(), "caps and slopes have a way of their own");
  return OrderedReference::apply(q, k, v, options.scale, options.window);
}

}  // namespace roundlab
