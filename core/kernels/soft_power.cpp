#include "core/kernels/soft_power.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr double kLeastPart = 1e-6;
constexpr auto kLeast = static_cast<float>(kLeastPart);

/// What all weights of a call have in common.
struct SoftPower {
  float top;
  float exponent;
  float inverse;  ///< 1 / exponent
  float sharpness;
  float low;     ///< sigma(-t/2)
  float spread;  ///< 1 - 2 low
};

/// x where x >= kLeast, else 0: a NaN stays one.
inline float Above(float x, float from) { return from < kLeast ? 0.0F : x; }

/// Where a weight is on the grid, and what it is decoded to.
struct Decoded {
  float part_log;  ///< ln |p|
  float power;     ///< sign(p) |p|^a
  float inside;    ///< 1 where d is not clamped, else 0
  float step;      ///< sigma(t (d - floor(d) - 1/2))
  float size;      ///< |c| / top
  float size_log;  ///< ln of it
  float value;     ///< sign(c) size^(1/a)
};

[[gnu::always_inline]] inline Decoded Decode(float part, float offset, const SoftPower& k) {
  Decoded o;
  const float part_size = std::fabs(part);
  o.part_log = FastLog(part_size);
  o.power = std::copysign(Above(FastExp(o.part_log * k.exponent), part_size), part);
  const float position = o.power * k.top + offset;
  o.inside = (position >= -k.top ? 1.0F : 0.0F) * (position <= k.top ? 1.0F : 0.0F);
  const float below = position > k.top ? k.top : position;
  const float d = below < -k.top ? -k.top : below;
  const float floor = std::floor(d);
  o.step = FastSigmoid(k.sharpness * ((d - floor) - 0.5F));
  const float code = floor + (o.step - k.low) / k.spread;
  o.size = std::fabs(code) / k.top;
  o.size_log = FastLog(o.size);
  // FastLog makes numbers of NaNs; d - d keeps them.
  const float value = Above(FastExp(o.size_log * k.inverse), o.size) + (d - d);
  o.value = std::copysign(value, code);
  return o;
}

ROUNDLAB_SIMD void SoftPowerRow(const float* part, const float* offset, const SoftPower k,
                                float scale, std::int64_t width, float* y) {
  const float size = scale * k.top;
  for (std::int64_t i = 0; i < width; ++i) y[i] = size * Decode(part[i], offset[i], k).value;
}

/// One weight: the gradient of its offset; the exponent's is added to `sum`.
[[gnu::always_inline]] inline float BackwardOne(float part, float offset, float dy, float scale,
                                                const SoftPower& k, float* sum) {
  const Decoded o = Decode(part, offset, k);
  const float given = dy * scale;
  const float slope = k.sharpness * o.step * (1.0F - o.step) / k.spread;
  const float d_code = Above(given * std::fabs(o.value) * k.inverse / o.size, o.size);
  const float d_position = d_code * slope * o.inside;
  const float decoder = given * k.top * o.value * Above(o.size_log, o.size) * k.inverse * k.inverse;
  *sum += d_position * k.top * o.power * Above(o.part_log, std::fabs(part)) - decoder;
  return d_position;
}

/// The gradient of the exponent.
ROUNDLAB_SIMD double SoftPowerBackwardRow(const float* part, const float* offset, const float* dy,
                                          const SoftPower k, float scale, std::int64_t width,
                                          float* d_offset) {
  float sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) {
      d_offset[i + j] = BackwardOne(part[i + j], offset[i + j], dy[i + j], scale, k, &sums[j]);
    }
  }
  for (; i < width; ++i) d_offset[i] = BackwardOne(part[i], offset[i], dy[i], scale, k, sums);
  double total = 0;
  for (const float sum : sums) total += static_cast<double>(sum);
  return total;
}

SoftPower Shared(double top, const at::Tensor& log_exponent, const at::Tensor& sharpness) {
  const auto exponent = std::exp(log_exponent.item<float>());
  const auto t = sharpness.item<float>();
  const float low = 1.0F / (1.0F + std::exp(t / 2));
  return {static_cast<float>(top), exponent, 1 / exponent, t, low, 1 - 2 * low};
}

template <class Row>
void ForRows(const at::Tensor& part, const Row& row) {
  const std::int64_t width = part.size(1);
  at::parallel_for(0, part.size(0), RowGrain(width), [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t r = from; r < to; ++r) row(r, r * width);
  });
}

struct SoftPowerFunction : torch::autograd::Function<SoftPowerFunction> {
  static Variable forward(AutogradContext* ctx, const at::Tensor& part, const at::Tensor& scale,
                          const Variable& offset, const Variable& log_exponent,
                          const at::Tensor& sharpness, double top) {
    const SoftPower shared = Shared(top, log_exponent, sharpness);
    at::Tensor output = at::empty_like(part);
    const auto* const p = part.const_data_ptr<float>();
    const auto* const v = offset.const_data_ptr<float>();
    const auto* const s = scale.const_data_ptr<float>();
    auto* const y = output.mutable_data_ptr<float>();
    ForRows(part, [&](std::int64_t r, std::int64_t at) {
      SoftPowerRow(p + at, v + at, shared, s[r], part.size(1), y + at);
    });
    // The sharpness may be another by the time that gradients are made.
    ctx->save_for_backward({part, scale, offset, log_exponent, sharpness.clone()});
    ctx->saved_data["top"] = top;
    return output;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& part = saved[0];
    const SoftPower shared = Shared(ctx->saved_data["top"].toDouble(), saved[3], saved[4]);
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor d_offset = at::empty_like(part);
    std::vector<double> sums(static_cast<std::size_t>(part.size(0)));
    const auto* const p = part.const_data_ptr<float>();
    const auto* const s = saved[1].const_data_ptr<float>();
    const auto* const v = saved[2].const_data_ptr<float>();
    const auto* const given = dy.const_data_ptr<float>();
    auto* const made = d_offset.mutable_data_ptr<float>();
    ForRows(part, [&](std::int64_t r, std::int64_t at) {
      sums[static_cast<std::size_t>(r)] =
          SoftPowerBackwardRow(p + at, v + at, given + at, shared, s[r], part.size(1), made + at);
    });
    double sum = 0;
    for (const double row : sums) sum += row;
    const at::Tensor d_log = at::full_like(saved[3], sum * static_cast<double>(shared.exponent));
    return {{}, {}, d_offset, d_log, {}, {}};
  }
};

}  // namespace

at::Tensor SoftPowerWeight(const PowerGroups& groups, const at::Tensor& offset,
                           const at::Tensor& log_exponent, const at::Tensor& sharpness) {
  const at::Tensor& part = groups.part;
  ROUNDLAB_CHECK(part.dim() == 2 && offset.sizes() == part.sizes() &&
                     groups.scale.numel() == part.size(0) && log_exponent.numel() == 1,
                 "part and offset must be [groups, width], scale [groups], one exponent");
  if (!part.is_cpu() || part.scalar_type() != at::kFloat) {
    return reference::SoftPowerWeight(groups, offset, log_exponent, sharpness);
  }
  return SoftPowerFunction::apply(part.contiguous(), groups.scale.to(at::kFloat).contiguous(),
                                  offset.contiguous(), log_exponent, sharpness, groups.top);
}

at::Tensor SoftPosition(const PowerGroups& groups, const at::Tensor& offset,
                        const at::Tensor& exponent) {
  return (SignedPower(groups.part, exponent) * groups.top + offset).clamp(-groups.top, groups.top);
}

at::Tensor SoftStep(const at::Tensor& fraction, const at::Tensor& sharpness) {
  const at::Tensor low = (-sharpness / 2).sigmoid();
  return ((sharpness * (fraction - 0.5)).sigmoid() - low) / (1 - 2 * low);
}

at::Tensor SignedPower(const at::Tensor& x, const at::Tensor& power) {
  const at::Tensor grown = (x.abs().clamp_min(kLeastPart).log() * power).exp();
  return x.sign() * at::where(x.abs() < kLeastPart, at::zeros_like(grown), grown);
}

at::Tensor reference::SoftPowerWeight(const PowerGroups& groups, const at::Tensor& offset,
                                      const at::Tensor& log_exponent, const at::Tensor& sharpness) {
  const at::Tensor exponent = log_exponent.exp();
  const at::Tensor d = SoftPosition(groups, offset, exponent);
  const at::Tensor floor = d.detach().floor();
  const at::Tensor code = floor + SoftStep(d - floor, sharpness);
  const at::Tensor value = SignedPower(code / groups.top, exponent.reciprocal());
  return (groups.scale * groups.top).unsqueeze(1) * value;
}

}  // namespace roundlab
