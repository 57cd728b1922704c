#include "core/kernels/reference.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>
#include <optional>

namespace roundlab::reference {

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const at::Tensor normed = wide * at::rsqrt(wide.pow(2).mean(-1, true) + eps);
  return normed.to(x.scalar_type()) * weight.to(x.scalar_type());
}

at::Tensor ApplyRope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor a = x.narrow(-1, 0, half);
  const at::Tensor b = x.narrow(-1, half, half);
  const at::Tensor c = cosine.unsqueeze(1).to(x.scalar_type());
  const at::Tensor s = sine.unsqueeze(1).to(x.scalar_type());
  return at::cat({a * c - b * s, b * c + a * s}, -1);
}

namespace {

/// Keys that a query does not see, [seq, seq].
at::Tensor Hidden(const at::Tensor& q, const AttentionOptions& options) {
  const at::Tensor keys = at::arange(q.size(1), q.options().dtype(at::kLong));
  const at::Tensor query = keys.unsqueeze(1);
  at::Tensor hidden = keys > query;
  if (options.window > 0) hidden = hidden.logical_or(keys <= query - options.window);
  if (options.chunk > 0) hidden = hidden.logical_or(keys < query - query % options.chunk);
  return hidden;
}

/// With cap, slopes or sinks, which scaled_dot_product_attention does not know.
at::Tensor AdjustedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionOptions& options) {
  const auto by_head = [&](const at::Tensor& x) {
    return x.repeat_interleave(q.size(2) / x.size(2), 2).transpose(1, 2);
  };
  const at::Tensor scores = at::matmul(by_head(q), by_head(k).transpose(2, 3)) * options.scale;
  const at::Tensor weights = AttentionWeights(scores, Hidden(q, options), options);
  return at::matmul(weights, by_head(v)).transpose(1, 2);
}

}  // namespace

at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionOptions& options) {
  if (!options.Plain()) return AdjustedAttention(q, k, v, options);
  const std::int64_t seq = q.size(1);
  const auto hides = [&](std::int64_t length) { return length > 0 && length < seq; };
  const bool masked = hides(options.window) || hides(options.chunk);
  std::optional<at::Tensor> mask;
  if (masked) {
    mask = at::zeros({seq, seq}, q.options()).masked_fill_(Hidden(q, options), -INFINITY);
  }
  return at::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                          mask, 0.0, !masked, options.scale, q.size(2) != k.size(2))
      .transpose(1, 2);
}

at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up) { return at::silu(gate) * up; }

at::Tensor RoundSte(const at::Tensor& x) { return x + (x.round() - x).detach(); }

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// To `dtype`, one of both sides having 16 bits.
struct Cast : torch::autograd::Function<Cast> {
  static Variable forward(AutogradContext* ctx, const Variable& x, at::ScalarType dtype) {
    ctx->saved_data["from"] = static_cast<std::int64_t>(x.scalar_type());
    return x.to(dtype);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto from = static_cast<at::ScalarType>(ctx->saved_data["from"].toInt());
    const at::ScalarType here = grads[0].scalar_type();
    const double most = LargestNumber(from == at::kFloat ? here : from);
    return {grads[0].clamp(-most, most).to(from), {}};
  }
};

}  // namespace

at::Tensor Widened(const at::Tensor& scale) {
  return at::isReducedFloatingType(scale.scalar_type()) ? Cast::apply(scale, at::kFloat) : scale;
}

at::Tensor FakeQuant(const at::Tensor& weight, const at::Tensor& offset, const at::Tensor& scale,
                     const at::Tensor& zero, double code_max) {
  const at::Tensor z = zero.unsqueeze(1);
  // Two casts of a 16-bit scale: each part of its gradient is rounded on its way back.
  at::Tensor position = weight / Widened(scale).unsqueeze(1);
  if (offset.defined()) position = position + offset;
  return Widened(scale).unsqueeze(1) * ((RoundSte(position) + z).clamp(0, code_max) - z);
}

at::Tensor Divided(const at::Tensor& x, double by) {
  return x / at::full({}, by, x.options().requires_grad(false));
}

double LargestNumber(at::ScalarType dtype) {
  if (dtype == at::kFloat) return std::numeric_limits<float>::max();
  return dtype == at::kHalf ? 65504 : 3.3895313892515355e38;
}

double ScaleFloor(at::ScalarType dtype) { return dtype == at::kFloat ? 1e-8 : 1e-5; }

at::Tensor CastScale(const at::Tensor& scale, at::ScalarType dtype) {
  const bool narrows = scale.scalar_type() == at::kFloat && at::isReducedFloatingType(dtype);
  return (narrows ? Cast::apply(scale, dtype) : scale.to(dtype)).clamp_min(ScaleFloor(dtype));
}

Grid RangeGrid(const at::Tensor& low, const at::Tensor& high, double code_max,
               at::ScalarType scale_dtype, const SymmetricGrid& symmetric) {
  if (symmetric.middle == 0) {
    const at::Tensor scale = CastScale(Divided(high - low, code_max), scale_dtype);
    return {scale, RoundSte(-low / Widened(scale)).clamp(0, code_max)};
  }
  const at::Tensor span = symmetric.times * at::maximum(-low, high);
  const at::Tensor scale = CastScale(Divided(span, symmetric.divisor), scale_dtype);
  return {symmetric.signs ? at::where(-low > high, scale, -scale) : scale,
          at::full_like(low, symmetric.middle).detach()};
}

at::Tensor RectifiedSigmoid(const at::Tensor& v) {
  return (at::sigmoid(v) * 1.2 - 0.1).clamp(0, 1);
}

at::Tensor RectifiedLogit(const at::Tensor& x) { return -at::log(1.2 / (x + 0.1) - 1); }

at::Tensor AdaRoundWeight(const at::Tensor& floor, const at::Tensor& v, const at::Tensor& scale,
                          const at::Tensor& zero, double code_max) {
  const at::Tensor z = zero.unsqueeze(1);
  return scale.unsqueeze(1) * ((floor + RectifiedSigmoid(v) + z).clamp(0, code_max) - z);
}

at::Tensor AdaRoundRegularizer(const at::Tensor& v, double beta, double weight) {
  return weight * (1 - (2 * RectifiedSigmoid(v) - 1).abs().pow(beta)).sum();
}

}  // namespace roundlab::reference
