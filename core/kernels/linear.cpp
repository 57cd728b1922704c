#include "core/kernels/linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "core/kernels/float8.h"

namespace roundlab {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Whether the processor multiplies float16, bfloat16.
struct Units {
#if defined(__x86_64__)
  bool half = __builtin_cpu_supports("avx512fp16") != 0;
  bool bfloat = __builtin_cpu_supports("avx512bf16") != 0;
#else
  bool half = true;  // libtorch knows
  bool bfloat = true;
#endif
};

/// x [tokens, width] over a factor a column, which brings the column's largest value to `largest`.
struct Scaled {
  at::Tensor values;
  at::Tensor factors;  // [width] float32
};

Scaled ScaledColumns(const at::Tensor& x, double largest) {
  const at::Tensor wide = x.to(at::kFloat);
  // A column of zeros has any scale; one with a NaN or an infinity has NaN, and so has its product.
  at::Tensor factors = wide.abs().amax(0).div_(largest);
  factors.masked_fill_(factors == 0, 1);
  factors.masked_fill_(factors.isfinite().logical_not_(), std::numeric_limits<float>::quiet_NaN());
  return {wide / factors, factors};
}

at::Tensor WithFactors(const at::Tensor& product, const Scaled& rows, const Scaled& columns) {
  return product * rows.factors.unsqueeze(1) * columns.factors;
}

/// A GPU multiplies 8-bit integers where what is summed over is a multiple of this many.
constexpr std::int64_t kInt8Step = 8;

/// Without VNNI oneDNN adds products of 8-bit integers in pairs of 16 bits, which saturate.
bool Int8ProductsAreExact() {
  const at::Tensor a = at::full({32, 32}, 127, at::kChar);
  return at::equal(at::_int_mm(a, a), at::full({32, 32}, 127 * 127 * 32, at::kInt));
}

/// Whether [m, k] times [k, n] is multiplied in integers: libtorch takes these sizes on a GPU.
bool MultipliesInt8(const at::Device& device, std::int64_t m, std::int64_t n) {
  static const bool exact = Int8ProductsAreExact();
  return device.is_cpu() ? exact : m > 16 && n % kInt8Step == 0;
}

/// codes [m, k], others [k, n] in whole numbers of 127 at most in size -> float32 [m, n].
at::Tensor CodeProduct(const at::Tensor& codes, const at::Tensor& others) {
  const std::int64_t fill = (kInt8Step - others.size(0) % kInt8Step) % kInt8Step;
  const at::Tensor a = fill == 0 ? codes : at::constant_pad_nd(codes, {0, fill});
  const at::Tensor b = fill == 0 ? others : at::constant_pad_nd(others, {0, 0, 0, fill});
  const bool integers = MultipliesInt8(a.device(), a.size(0), b.size(1));
  // 127^2 times as many is below 2^31, and 2^24, up to which float32 has all whole numbers.
  const std::int64_t most = integers ? 1 << 17 : 1 << 10;
  at::Tensor sum = at::zeros({a.size(0), b.size(1)}, a.options().dtype(at::kFloat));
  for (std::int64_t first = 0; first < b.size(0); first += most) {
    const std::int64_t count = std::min(most, b.size(0) - first);
    const at::Tensor left = a.narrow(1, first, count);
    const at::Tensor right = b.narrow(0, first, count);
    sum += integers ? at::_int_mm(left, right) : at::mm(left.to(at::kFloat), right.to(at::kFloat));
  }
  return sum;
}

at::Tensor Int8Product(const at::Tensor& dy, const at::Tensor& x) {
  constexpr double kLargest = 127;
  const Scaled left = ScaledColumns(dy, kLargest);
  const Scaled right = ScaledColumns(x, kLargest);
  const auto codes = [](const Scaled& s) {
    return at::nan_to_num(s.values).round_().to(at::kChar);
  };
  return WithFactors(CodeProduct(codes(left).t().contiguous(), codes(right)), left, right);
}

/// dy [tokens, out], x [tokens, in] -> dy^T x [out, in]
at::Tensor WeightGradient(const at::Tensor& dy, const at::Tensor& x, GradientPrecision precision) {
  // Of no tokens, which an expert may be sent, there is no column to scale.
  if (dy.size(0) == 0) precision = GradientPrecision::kProducts;
  switch (precision) {
    case GradientPrecision::kBFloat16:
      return Product(dy.to(at::kBFloat16).t(), x.to(at::kBFloat16));
    case GradientPrecision::kFloat8:
      return Float8Product(dy, x);
    case GradientPrecision::kInt8:
      return Int8Product(dy, x);
    case GradientPrecision::kProducts:
      break;
  }
  return Product(dy.t(), x);
}

at::Tensor Forward(const at::Tensor& x, const at::Tensor& weight,
                   const std::optional<at::Tensor>& bias) {
  const at::ScalarType dtype = ProductDtype(x.scalar_type(), x.device());
  const auto wide = bias ? std::optional(bias->to(dtype)) : std::nullopt;
  return at::linear(x.to(dtype), weight.to(dtype), wide).to(x.scalar_type());
}

/// Sequences, each multiplied by itself: [batch, seq, ...]; a matrix is one.
at::Tensor Sequences(const at::Tensor& x) { return x.dim() == 3 ? x : x.unsqueeze(0); }

/// a [batch, seq, k], b [k, n], and bias [n] or undefined -> [batch, seq, n] of a's dtype.
at::Tensor SequenceProducts(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) {
  const at::ScalarType dtype = ProductDtype(a.scalar_type(), a.device());
  const at::Tensor left = a.to(dtype);
  const at::Tensor right = b.to(dtype);
  const at::Tensor added = bias.defined() ? bias.to(dtype) : bias;
  at::Tensor out = at::empty({a.size(0), a.size(1), b.size(1)}, left.options());
  for (std::int64_t i = 0; i < a.size(0); ++i) {
    at::Tensor row = out[i];
    if (bias.defined()) {
      at::addmm_out(row, added, left[i], right);
    } else {
      at::mm_out(row, left[i], right);
    }
  }
  return out.to(a.scalar_type());
}

void AddGradients(const at::Tensor& dy, const at::Tensor& x, GradientPrecision precision,
                  at::Tensor sum) {
  const bool wide = precision == GradientPrecision::kProducts && x.scalar_type() == at::kFloat;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    if (wide) {
      sum.addmm_(dy[i].t(), x[i]);
    } else {
      sum.add_(WeightGradient(dy[i], x[i], precision));
    }
  }
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Variable& weight,
                          const std::optional<at::Tensor>& bias, const LinearTuning& tuning) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["precision"] = static_cast<std::int64_t>(tuning.gradient);
    ctx->saved_data["bias"] = bias.has_value();
    if (!tuning.gradient_sum.defined()) return Forward(x, weight, bias);
    ctx->saved_data["sum"] = tuning.gradient_sum;
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return SequenceProducts(Sequences(x), weight.t(), bias.value_or(at::Tensor())).view(shape);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    const auto precision = static_cast<GradientPrecision>(ctx->saved_data["precision"].toInt());
    const at::Tensor dy = grads[0].reshape({-1, weight.size(0)});
    const bool by_sequence = ctx->saved_data.count("sum") > 0;
    at::Tensor dx;
    at::Tensor d_weight;
    at::Tensor d_bias;
    if (ctx->needs_input_grad(0)) {
      dx = by_sequence ? SequenceProducts(Sequences(grads[0]), weight, {}).view(x.sizes())
                       : Product(dy, weight).view(x.sizes());
    }
    if (by_sequence) {
      AddGradients(Sequences(grads[0]), Sequences(x), precision, ctx->saved_data["sum"].toTensor());
    } else if (ctx->needs_input_grad(1)) {
      d_weight =
          WeightGradient(dy, x.reshape({-1, x.size(-1)}), precision).to(weight.scalar_type());
    }
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) d_bias = dy.sum(0);
    return {dx, d_weight, d_bias, {}};
  }
};

}  // namespace

at::ScalarType ProductDtype(at::ScalarType dtype, const at::Device& device) {
  static const Units units;
  if (!device.is_cpu()) return dtype;
  if (dtype == at::kHalf && !units.half) return at::kFloat;
  return dtype == at::kBFloat16 && !units.bfloat ? at::kFloat : dtype;
}

at::Tensor Product(const at::Tensor& a, const at::Tensor& b) {
  const at::ScalarType dtype = ProductDtype(a.scalar_type(), a.device());
  return at::mm(a.to(dtype), b.to(dtype)).to(a.scalar_type());
}

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const LinearTuning& tuning) {
  const bool plain =
      (tuning.gradient == GradientPrecision::kProducts && !tuning.gradient_sum.defined()) ||
      !weight.requires_grad();
  if (plain && ProductDtype(x.scalar_type(), x.device()) == x.scalar_type()) {
    return at::linear(x, weight, bias);
  }
  return LinearFunction::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt,
                               tuning);
}

}  // namespace roundlab
