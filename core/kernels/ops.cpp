#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/kernels/cuda/fused.h"
#include "core/kernels/cuda/without_gradient.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fake_quant.h"
#include "core/kernels/ops.h"
#include "core/kernels/reference.h"

namespace roundlab {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

const float* In(const at::Tensor& t) { return t.const_data_ptr<float>(); }
float* Out(at::Tensor& t) { return t.mutable_data_ptr<float>(); }

AffineRows Rows(const at::Tensor& weight, const at::Tensor& offset, const at::Tensor& scale,
                const at::Tensor& zero, double code_max) {
  return {In(weight),
          offset.defined() ? In(offset) : nullptr,
          In(scale),
          In(zero),
          static_cast<float>(code_max),
          weight.size(0),
          weight.size(1)};
}

/// Calls with a zero of the type: float or c10::BFloat16.
template <class Call>
void WithFusedType(const at::Tensor& t, const Call& call) {
  if (t.scalar_type() == at::kBFloat16) {
    call(c10::BFloat16());
  } else {
    call(0.0F);
  }
}

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  /// The weight's own gradient only in float32.
  static Variable forward(AutogradContext* ctx, const Variable& x, const Variable& weight,
                          double eps) {
    const std::int64_t width = x.size(-1);
    at::Tensor y = at::empty_like(x);
    at::Tensor inverse = at::empty({x.numel() / width}, x.options().dtype(at::kFloat));
    WithFusedType(x, [&](auto zero) {
      using T = decltype(zero);
      RmsNormForward<T>(x.const_data_ptr<T>(), In(weight), static_cast<float>(eps),
                        x.numel() / width, width, y.mutable_data_ptr<T>(), Out(inverse));
    });
    ctx->save_for_backward({x, weight, inverse});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor dx = at::empty_like(saved[0]);
    const std::int64_t width = dx.size(-1);
    WithFusedType(dx, [&](auto zero) {
      using T = decltype(zero);
      RmsNormBackward<T>(
          {dy.const_data_ptr<T>(), saved[0].const_data_ptr<T>(), In(saved[1]), In(saved[2])},
          dx.numel() / width, width, dx.mutable_data_ptr<T>());
    });
    at::Tensor d_weight;
    if (ctx->needs_input_grad(1)) {
      const RmsNormGradient<float> in = {In(dy), In(saved[0]), In(saved[1]), In(saved[2])};
      d_weight = at::empty_like(saved[1]);
      RmsNormWeightBackward(in, dx.numel() / width, width, Out(d_weight));
    }
    return {dx, d_weight, {}};
  }
};

struct RopeFunction : torch::autograd::Function<RopeFunction> {
  static at::Tensor Turned(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine,
                           float sign) {
    at::Tensor y = at::empty_like(x);
    WithFusedType(x, [&](auto zero) {
      using T = decltype(zero);
      Rope<T>(x.const_data_ptr<T>(), In(cosine), In(sine),
              {x.size(0), x.size(1), x.size(2), x.size(3)}, sign, y.mutable_data_ptr<T>());
    });
    return y;
  }
  static Variable forward(AutogradContext* ctx, const Variable& x, const at::Tensor& cosine,
                          const at::Tensor& sine) {
    const at::Tensor y = Turned(x, cosine, sine, 1);
    ctx->save_for_backward({cosine, sine});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    return {Turned(grads[0].contiguous(), saved[0], saved[1], -1), {}, {}};
  }
};

struct SwiGluFunction : torch::autograd::Function<SwiGluFunction> {
  static Variable forward(AutogradContext* ctx, const Variable& gate, const Variable& up) {
    at::Tensor y = at::empty_like(gate);
    WithFusedType(y, [&](auto zero) {
      using T = decltype(zero);
      SwiGluForward<T>(gate.const_data_ptr<T>(), up.const_data_ptr<T>(), gate.numel(),
                       y.mutable_data_ptr<T>());
    });
    ctx->save_for_backward({gate, up});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor d_gate = at::empty_like(saved[0]);
    at::Tensor d_up = at::empty_like(saved[1]);
    WithFusedType(dy, [&](auto zero) {
      using T = decltype(zero);
      SwiGluBackward<T>(
          {dy.const_data_ptr<T>(), saved[0].const_data_ptr<T>(), saved[1].const_data_ptr<T>()},
          dy.numel(), d_gate.mutable_data_ptr<T>(), d_up.mutable_data_ptr<T>());
    });
    return {d_gate, d_up};
  }
};

struct FakeQuantFunction : torch::autograd::Function<FakeQuantFunction> {
  /// An optional, since apply() takes no undefined tensor.
  static Variable forward(AutogradContext* ctx, const at::Tensor& weight,
                          const std::optional<at::Tensor>& given_offset, const Variable& factor,
                          const Variable& /*divisor*/, const Variable& zero, double code_max) {
    const at::Tensor offset = given_offset.value_or(at::Tensor());
    at::Tensor output = at::empty_like(weight);
    FakeQuantForward(Rows(weight, offset, factor, zero, code_max), Out(output));
    ctx->save_for_backward({weight, offset, factor, zero});
    ctx->saved_data["code_max"] = code_max;
    return output;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor d_offset = saved[1].defined() ? at::empty_like(saved[0]) : at::Tensor();
    at::Tensor d_factor = at::empty_like(saved[2]);
    at::Tensor d_divisor = at::empty_like(saved[2]);
    at::Tensor d_zero = at::empty_like(saved[3]);
    FakeQuantBackward(
        Rows(saved[0], saved[1], saved[2], saved[3], ctx->saved_data["code_max"].toDouble()),
        In(dy),
        {d_offset.defined() ? Out(d_offset) : nullptr, Out(d_factor), Out(d_divisor), Out(d_zero)});
    return {{}, d_offset, d_factor, d_divisor, d_zero, {}};
  }
};

struct AdaRoundFunction : torch::autograd::Function<AdaRoundFunction> {
  static Variable forward(AutogradContext* ctx, const at::Tensor& floor, const Variable& v,
                          const at::Tensor& scale, const at::Tensor& zero, double code_max) {
    at::Tensor output = at::empty_like(floor);
    AdaRoundForward(Rows(floor, v, scale, zero, code_max), Out(output));
    ctx->save_for_backward({floor, v, scale, zero});
    ctx->saved_data["code_max"] = code_max;
    return output;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor dv = at::empty_like(saved[1]);
    AdaRoundBackward(
        Rows(saved[0], saved[1], saved[2], saved[3], ctx->saved_data["code_max"].toDouble()),
        In(dy), Out(dv));
    return {{}, dv, {}, {}, {}};
  }
};

struct RegularizerFunction : torch::autograd::Function<RegularizerFunction> {
  static Variable forward(AutogradContext* ctx, const Variable& v, double beta, double weight) {
    at::Tensor gradient = at::empty_like(v);
    const double sum = AdaRoundPenalty(In(v), v.numel(), static_cast<float>(beta),
                                       static_cast<float>(weight), Out(gradient));
    ctx->save_for_backward({gradient});
    return at::scalar_tensor(weight * sum, v.options());
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {ctx->get_saved_variables()[0] * grads[0], {}, {}};
  }
};

/// A group is a warp's work: a whole tensor in one group would be slow.
constexpr std::int64_t kWidestGroup = 1 << 16;

const cuda::Kernels* QuantKernelsFor(const at::Tensor& weight) {
  const bool fits = weight.scalar_type() == at::kFloat && weight.size(1) <= kWidestGroup;
  return fits ? cuda::KernelsFor(weight) : nullptr;
}

bool Fused(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat; }

bool FusedElementwise(const at::Tensor& t) {
  return Fused(t) || (t.is_cpu() && t.scalar_type() == at::kBFloat16);
}

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  ROUNDLAB_CHECK(x.size(-1) == weight.numel(), "weight must be as wide as x");
  if (const auto* kernels = cuda::KernelsFor(x)) return cuda::RmsNorm(*kernels, x, weight, eps);
  if (!FusedElementwise(x)) return reference::RmsNorm(x, weight, eps);
  if (x.scalar_type() == at::kFloat) {
    return RmsNormFunction::apply(x.contiguous(), weight.contiguous(), eps);
  }
  if (at::GradMode::is_enabled() && weight.requires_grad()) {
    return reference::RmsNorm(x, weight, eps);
  }
  return RmsNormFunction::apply(x.contiguous(), weight.to(x.scalar_type()).to(at::kFloat), eps);
}

at::Tensor ApplyRope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
  ROUNDLAB_CHECK(x.dim() == 4 && cosine.size(0) == x.size(1) && 2 * cosine.size(1) == x.size(3),
                 "x must be [batch, seq, heads, dim], cosine [seq, dim/2]");
  if (const auto* kernels = cuda::KernelsFor(x)) return cuda::ApplyRope(*kernels, x, cosine, sine);
  if (!FusedElementwise(x)) return reference::ApplyRope(x, cosine, sine);
  return RopeFunction::apply(x.contiguous(), cosine.contiguous(), sine.contiguous());
}

at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up) {
  ROUNDLAB_CHECK(gate.sizes() == up.sizes(), "gate and up must have one shape");
  if (const auto* kernels = cuda::KernelsFor(gate)) return cuda::SwiGlu(*kernels, gate, up);
  if (!FusedElementwise(gate)) return reference::SwiGlu(gate, up);
  return SwiGluFunction::apply(gate.contiguous(), up.contiguous());
}

at::Tensor FakeQuant(const at::Tensor& weight, const at::Tensor& offset, const at::Tensor& scale,
                     const at::Tensor& zero, double code_max, at::ScalarType dtype) {
  ROUNDLAB_CHECK(weight.dim() == 2 && scale.numel() == weight.size(0) &&
                     zero.numel() == weight.size(0) && weight.is_contiguous(),
                 "weight must be contiguous [groups, width], scale and zero [groups]");
  ROUNDLAB_CHECK(!offset.defined() || offset.sizes() == weight.sizes(), "offset as weight");
  if (const auto* kernels = QuantKernelsFor(weight)) {
    return cuda::FakeQuant(*kernels, weight, offset, scale, zero, code_max, dtype);
  }
  if (!Fused(weight)) return reference::FakeQuant(weight, offset, scale, zero, code_max).to(dtype);
  std::optional<at::Tensor> given_offset;
  if (offset.defined()) given_offset = offset.contiguous();
  // Two casts of a 16-bit scale: each part of its gradient is rounded on its way back.
  return FakeQuantFunction::apply(weight, given_offset, reference::Widened(scale).contiguous(),
                                  reference::Widened(scale).contiguous(), zero.contiguous(),
                                  code_max)
      .to(dtype);
}

bool TakesSignSteps(const at::Tensor& weight) { return QuantKernelsFor(weight) != nullptr; }

at::Tensor RangeFakeQuant(const RangeQuant& quant, at::ScalarType dtype, const SignSteps& steps) {
  ROUNDLAB_CHECK(quant.low_factor.defined() == quant.high_factor.defined(), "both factors or none");
  if (const auto* kernels = QuantKernelsFor(quant.weight)) {
    return cuda::RangeFakeQuant(*kernels, quant, dtype, steps);
  }
  ROUNDLAB_CHECK(steps.offset == 0 && steps.range == 0, "steps in the backward pass: not here");
  const bool factors = quant.low_factor.defined();
  const at::Tensor low = factors ? quant.low * quant.low_factor : quant.low;
  const at::Tensor high = factors ? quant.high * quant.high_factor : quant.high;
  const reference::Grid grid =
      reference::RangeGrid(low, high, quant.code_max, quant.scale_dtype, quant.symmetric);
  return FakeQuant(quant.weight, quant.offset, grid.scale, grid.zero, quant.code_max, dtype);
}

at::Tensor MeanSquaredError(const at::Tensor& output, const at::Tensor& target) {
  ROUNDLAB_CHECK(output.sizes() == target.sizes(), "output and target must have one shape");
  const auto* kernels =
      output.scalar_type() == target.scalar_type() ? cuda::KernelsFor(output) : nullptr;
  if (kernels != nullptr) return cuda::MeanSquaredError(*kernels, output, target);
  return at::mse_loss(output.to(at::kFloat), target.to(at::kFloat));
}

void CopyIf(const at::Tensor& flag, const at::Tensor& from, const at::Tensor& to) {
  if (const auto* kernels = cuda::KernelsOn(flag.device())) {
    return cuda::CopyIf(*kernels, flag, from, to);
  }
  if (!flag.is_cpu()) {
    to.copy_(at::where(flag, from, to));
  } else if (flag.item<bool>()) {
    to.copy_(from);
  }
}

at::Tensor AdaRoundWeight(const at::Tensor& floor, const at::Tensor& v, const at::Tensor& scale,
                          const at::Tensor& zero, double code_max) {
  ROUNDLAB_CHECK(floor.sizes() == v.sizes() && floor.is_contiguous() && v.is_contiguous(),
                 "floor and v must be contiguous [groups, width]");
  if (!Fused(floor)) return reference::AdaRoundWeight(floor, v, scale, zero, code_max);
  return AdaRoundFunction::apply(floor, v, scale.to(at::kFloat).contiguous(), zero.contiguous(),
                                 code_max);
}

at::Tensor AdaRoundRegularizer(const at::Tensor& v, double beta, double weight) {
  if (!Fused(v)) return reference::AdaRoundRegularizer(v, beta, weight);
  return RegularizerFunction::apply(v.contiguous(), beta, weight);
}

}  // namespace roundlab
