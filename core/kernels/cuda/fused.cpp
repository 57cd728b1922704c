#include "core/kernels/cuda/fused.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "core/base/error.h"
#include "core/kernels/cuda/launch.h"
#include "core/kernels/reference.h"

namespace roundlab::cuda {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;
using MaybeTensor = std::optional<at::Tensor>;

MaybeTensor Maybe(const at::Tensor& t) { return t.defined() ? MaybeTensor(t) : std::nullopt; }
at::Tensor Given(const MaybeTensor& t) { return t.value_or(at::Tensor()); }

const Kernels& Saved(AutogradContext* ctx) {
  return *reinterpret_cast<const Kernels*>(ctx->saved_data["kernels"].toInt());
}
void Save(AutogradContext* ctx, const Kernels& kernels) {
  ctx->saved_data["kernels"] = reinterpret_cast<std::int64_t>(&kernels);
}

struct FusedNorm : torch::autograd::Function<FusedNorm> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Variable& weight,
                          double eps, const Kernels* kernels) {
    NormJob job{};
    job.width = x.size(-1);
    job.rows = x.numel() / job.width;
    const at::Tensor y = at::empty_like(x);
    const at::Tensor inverse = at::empty({job.rows}, x.options().dtype(at::kFloat));
    job.dtype = DtypeOf(x.scalar_type());
    job.x = Read(x);
    job.weight = Floats(weight);
    job.eps = static_cast<float>(eps);
    job.y = Write(y);
    job.inverse = Floats(inverse);
    Launch(*kernels, kernels->rms_norm, job, x);
    ctx->save_for_backward({x, weight, inverse});
    Save(ctx, *kernels);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor dy = grads[0].contiguous();
    const at::Tensor dx = at::empty_like(x);
    NormJob job{};
    job.dtype = DtypeOf(x.scalar_type());
    job.width = x.size(-1);
    job.rows = x.numel() / job.width;
    job.x = Read(x);
    job.weight = Floats(saved[1]);
    job.inverse = Floats(saved[2]);
    job.dy = Read(dy);
    job.dx = Write(dx);
    const Kernels& kernels = Saved(ctx);
    Launch(kernels, kernels.rms_norm_backward, job, x);
    at::Tensor d_weight;
    if (ctx->needs_input_grad(1)) {
      const at::Tensor normed = x.flatten(0, -2).to(at::kFloat) * saved[2].unsqueeze(1);
      d_weight = (normed * dy.flatten(0, -2)).sum(0);
    }
    return {dx, d_weight, {}, {}};
  }
};

struct FusedRope : torch::autograd::Function<FusedRope> {
  static at::Tensor Turn(const Kernels& kernels, const at::Tensor& x, const at::Tensor& cosine,
                         const at::Tensor& sine, float sign) {
    const at::Tensor y = at::empty_like(x);
    RopeJob job{};
    job.dtype = DtypeOf(x.scalar_type());
    job.x = Read(x);
    job.y = Write(y);
    job.cosine = Floats(cosine);
    job.sine = Floats(sine);
    job.sign = sign;
    job.batch = x.size(0);
    job.seq = x.size(1);
    job.heads = x.size(2);
    job.dim = x.size(3);
    Launch(kernels, kernels.rope, job, x);
    return y;
  }
  static Variable forward(AutogradContext* ctx, const Variable& x, const at::Tensor& cosine,
                          const at::Tensor& sine, const Kernels* kernels) {
    ctx->save_for_backward({cosine, sine});
    Save(ctx, *kernels);
    return Turn(*kernels, x, cosine, sine, 1.0F);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    return {Turn(Saved(ctx), grads[0].contiguous(), saved[0], saved[1], -1.0F), {}, {}, {}};
  }
};

struct FusedSwiGlu : torch::autograd::Function<FusedSwiGlu> {
  static Variable forward(AutogradContext* ctx, const Variable& gate, const Variable& up,
                          const Kernels* kernels) {
    const at::Tensor y = at::empty_like(gate);
    SwiGluJob job{};
    job.dtype = DtypeOf(gate.scalar_type());
    job.gate = Read(gate);
    job.up = Read(up);
    job.y = Write(y);
    job.count = gate.numel();
    Launch(*kernels, kernels->swiglu, job, gate);
    ctx->save_for_backward({gate, up});
    Save(ctx, *kernels);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    const at::Tensor d_gate = at::empty_like(saved[0]);
    const at::Tensor d_up = at::empty_like(saved[1]);
    SwiGluJob job{};
    job.dtype = DtypeOf(dy.scalar_type());
    job.gate = Read(saved[0]);
    job.up = Read(saved[1]);
    job.dy = Read(dy);
    job.d_gate = Write(d_gate);
    job.d_up = Write(d_up);
    job.count = dy.numel();
    const Kernels& kernels = Saved(ctx);
    Launch(kernels, kernels.swiglu_backward, job, dy);
    return {d_gate, d_up, {}};
  }
};

FakeQuantJob QuantJob(const at::Tensor& weight, const at::Tensor& offset, double code_max) {
  FakeQuantJob job{};
  job.weight = Floats(weight);
  job.offset = Floats(offset);
  job.code_max = static_cast<float>(code_max);
  job.groups = weight.size(0);
  job.width = weight.size(1);
  return job;
}

struct FusedFakeQuant : torch::autograd::Function<FusedFakeQuant> {
  static Variable forward(AutogradContext* ctx, const at::Tensor& weight,
                          const MaybeTensor& maybe_offset, const Variable& factor,
                          const Variable& /*divisor*/, const Variable& zero, double code_max,
                          at::ScalarType dtype, const Kernels* kernels) {
    const at::Tensor offset = Given(maybe_offset);
    const at::Tensor output = at::empty(weight.sizes(), weight.options().dtype(dtype));
    FakeQuantJob job = QuantJob(weight, offset, code_max);
    job.scale = Floats(factor);
    job.zero = Floats(zero);
    job.dtype = DtypeOf(dtype);
    job.output = Write(output);
    Launch(*kernels, kernels->fake_quant, job, weight);
    ctx->save_for_backward({weight, offset, factor, zero});
    ctx->saved_data["code_max"] = code_max;
    Save(ctx, *kernels);
    return output;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor d_offset;
    if (saved[1].defined()) d_offset = at::empty_like(saved[1]);
    const at::Tensor d_factor = at::empty_like(saved[2]);
    const at::Tensor d_divisor = at::empty_like(saved[2]);
    const at::Tensor d_zero = at::empty_like(saved[2]);
    FakeQuantJob job = QuantJob(saved[0], saved[1], ctx->saved_data["code_max"].toDouble());
    job.scale = Floats(saved[2]);
    job.zero = Floats(saved[3]);
    job.dtype = DtypeOf(dy.scalar_type());
    job.dy = Read(dy);
    job.d_offset = Floats(d_offset);
    job.d_factor = Floats(d_factor);
    job.d_divisor = Floats(d_divisor);
    job.d_zero = Floats(d_zero);
    const Kernels& kernels = Saved(ctx);
    Launch(kernels, kernels.fake_quant_backward, job, dy);
    return {{}, d_offset, d_factor, d_divisor, d_zero, {}, {}, {}};
  }
};

FakeQuantJob RangeJob(const RangeQuant& q) {
  FakeQuantJob job = QuantJob(q.weight, q.offset, q.code_max);
  job.low = Floats(q.low);
  job.high = Floats(q.high);
  job.low_factor = Floats(q.low_factor);
  job.high_factor = Floats(q.high_factor);
  job.scale_dtype = DtypeOf(q.scale_dtype);
  job.scale_floor = static_cast<float>(reference::ScaleFloor(q.scale_dtype));
  job.middle = static_cast<float>(q.symmetric.middle);
  job.times = static_cast<float>(q.symmetric.times);
  job.divisor = static_cast<float>(q.symmetric.divisor);
  job.signs = q.symmetric.signs;
  return job;
}

struct FusedRangeQuant : torch::autograd::Function<FusedRangeQuant> {
  static Variable forward(AutogradContext* ctx, const MaybeTensor& offset,
                          const MaybeTensor& low_factor, const MaybeTensor& high_factor,
                          const RangeQuant& quant, at::ScalarType dtype, const SignSteps& steps,
                          const Kernels* kernels) {
    const bool made = steps.made.defined();
    // A tensor of its own on the memory that is there: it gets its own place in the graph.
    const at::Tensor output =
        made ? steps.made.variable_data()
             : at::empty(quant.weight.sizes(), quant.weight.options().dtype(dtype));
    ROUNDLAB_CHECK(output.scalar_type() == dtype && output.is_contiguous() &&
                       output.sizes() == quant.weight.sizes(),
                   "what was made is of the result's shape and dtype");
    if (!made) {
      FakeQuantJob job = RangeJob(quant);
      job.dtype = DtypeOf(dtype);
      job.output = Write(output);
      Launch(*kernels, kernels->fake_quant, job, quant.weight);
    }
    // Not as a saved variable: the result itself would keep its own graph alive.
    ctx->saved_data["output"] = output.variable_data();
    ctx->save_for_backward({quant.weight, quant.low, quant.high, Given(offset), Given(low_factor),
                            Given(high_factor)});
    ctx->saved_data["code_max"] = quant.code_max;
    ctx->saved_data["scale_dtype"] = quant.scale_dtype;
    ctx->saved_data["middle"] = quant.symmetric.middle;
    ctx->saved_data["times"] = quant.symmetric.times;
    ctx->saved_data["divisor"] = quant.symmetric.divisor;
    ctx->saved_data["signs"] = quant.symmetric.signs;
    ctx->saved_data["offset_step"] = steps.offset;
    ctx->saved_data["range_step"] = steps.range;
    ctx->saved_data["offset_bound"] = steps.offset_bound;
    Save(ctx, *kernels);
    return output;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    const auto number = [&](const char* name) {
      return static_cast<float>(ctx->saved_data[name].toDouble());
    };
    const SymmetricGrid symmetric = {
        ctx->saved_data["middle"].toDouble(), ctx->saved_data["times"].toDouble(),
        ctx->saved_data["divisor"].toDouble(), ctx->saved_data["signs"].toBool()};
    FakeQuantJob job = RangeJob({saved[0], saved[3], saved[1], saved[2], saved[4], saved[5],
                                 ctx->saved_data["code_max"].toDouble(),
                                 ctx->saved_data["scale_dtype"].toScalarType(), symmetric});
    job.dtype = DtypeOf(dy.scalar_type());
    job.dy = Read(dy);
    job.offset_step = number("offset_step");
    job.range_step = number("range_step");
    job.offset_bound = number("offset_bound");
    const bool steps = job.offset_step > 0 || job.range_step > 0;
    if (steps) job.output = Write(ctx->saved_data["output"].toTensor());
    at::Tensor d_offset;
    at::Tensor d_low;
    at::Tensor d_high;
    if (saved[3].defined() && job.offset_step == 0) d_offset = at::empty_like(saved[3]);
    if (saved[4].defined() && job.range_step == 0) {
      d_low = at::empty_like(saved[4]);
      d_high = at::empty_like(saved[5]);
    }
    job.d_offset = Floats(d_offset);
    job.d_low_factor = Floats(d_low);
    job.d_high_factor = Floats(d_high);
    const Kernels& kernels = Saved(ctx);
    Launch(kernels, kernels.fake_quant_backward, job, dy);
    return {d_offset, d_low, d_high, {}, {}, {}, {}};
  }
};

struct FusedMse : torch::autograd::Function<FusedMse> {
  static Variable forward(AutogradContext* ctx, const Variable& output, const at::Tensor& target,
                          const Kernels* kernels) {
    const auto floats = output.options().dtype(at::kFloat);
    const at::Tensor partial = at::empty({kMsePartials}, floats);
    const at::Tensor loss = at::empty({}, floats);
    MseJob job{};
    job.dtype = DtypeOf(output.scalar_type());
    job.output = Read(output);
    job.target = Read(target);
    job.partial = Floats(partial);
    job.loss = Floats(loss);
    job.count = output.numel();
    Launch(*kernels, kernels->mse, job, output);
    ctx->save_for_backward({output, target});
    Save(ctx, *kernels);
    return loss;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor d_loss = grads[0].contiguous();
    const at::Tensor d_output = at::empty_like(saved[0]);
    MseJob job{};
    job.dtype = DtypeOf(d_output.scalar_type());
    job.output = Read(saved[0]);
    job.target = Read(saved[1]);
    job.d_loss = Floats(d_loss);
    job.d_output = Write(d_output);
    job.count = d_output.numel();
    const Kernels& kernels = Saved(ctx);
    Launch(kernels, kernels.mse_backward, job, d_output);
    return {d_output, {}, {}};
  }
};

}  // namespace

const Kernels* KernelsFor(const at::Tensor& t) {
  const at::ScalarType dtype = t.scalar_type();
  if (dtype != at::kFloat && dtype != at::kHalf && dtype != at::kBFloat16) return nullptr;
  return KernelsOn(t.device());
}

at::Tensor RmsNorm(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight,
                   double eps) {
  return FusedNorm::apply(x.contiguous(), weight.to(at::kFloat).contiguous(), eps, &kernels);
}

at::Tensor ApplyRope(const Kernels& kernels, const at::Tensor& x, const at::Tensor& cosine,
                     const at::Tensor& sine) {
  return FusedRope::apply(x.contiguous(), cosine.contiguous(), sine.contiguous(), &kernels);
}

at::Tensor SwiGlu(const Kernels& kernels, const at::Tensor& gate, const at::Tensor& up) {
  return FusedSwiGlu::apply(gate.contiguous(), up.contiguous(), &kernels);
}

at::Tensor FakeQuant(const Kernels& kernels, const at::Tensor& weight, const at::Tensor& offset,
                     const at::Tensor& scale, const at::Tensor& zero, double code_max,
                     at::ScalarType dtype) {
  // Two casts of a 16-bit scale: each part of its gradient is rounded on its way back.
  return FusedFakeQuant::apply(weight, offset.defined() ? Maybe(offset.contiguous()) : std::nullopt,
                               reference::Widened(scale).contiguous(),
                               reference::Widened(scale).contiguous(), zero.contiguous(), code_max,
                               dtype, &kernels);
}

at::Tensor RangeFakeQuant(const Kernels& kernels, const RangeQuant& quant, at::ScalarType dtype,
                          const SignSteps& steps) {
  return FusedRangeQuant::apply(Maybe(quant.offset), Maybe(quant.low_factor),
                                Maybe(quant.high_factor), quant, dtype, steps, &kernels);
}

at::Tensor MeanSquaredError(const Kernels& kernels, const at::Tensor& output,
                            const at::Tensor& target) {
  return FusedMse::apply(output.contiguous(), target.contiguous(), &kernels);
}

}  // namespace roundlab::cuda
