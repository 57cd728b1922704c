#include "core/kernels/half_quadratic.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

struct GroupGrid {
  float reciprocal;
  float zero;
  float high;
};

struct Powers {
  float norm;
  float beta;
};

/// What a weight adds to the sum of the group's new zero point; its |w - w^| goes to `error`.
[[gnu::always_inline]] inline float ZeroTerm(float w, const GroupGrid& g, const Powers& p,
                                             float* error) {
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: adding it rounds half to even
  const float position = w * g.reciprocal + g.zero;
  const float below = position > g.high ? g.high : position;
  const float inside = below < 0.0F ? 0.0F : below;
  const float code = (inside + kMagic) - kMagic;
  const float gap = w - (code - g.zero) / g.reciprocal;
  *error = std::fabs(gap);
  const float left = *error - FastExp((p.norm - 1.0F) * FastLog(*error)) / p.beta;
  const float kept = left > 0.0F ? left : 0.0F;
  return code - (w - std::copysign(kept, gap)) * g.reciprocal;
}

/// The sum of |w - w^|; `zero` gets the group's new zero point. Grid and term by value, and sums in
/// arrays of its own, so that compilers see that nothing overlaps and vectorize the lanes.
ROUNDLAB_SIMD double StepRow(const float* w, const GroupGrid g, const Powers p, std::int64_t width,
                             float* zero) {
  float zeros[kLanes] = {};
  float errors[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      float error = 0;
      zeros[k] += ZeroTerm(w[i + k], g, p, &error);
      errors[k] += error;
    }
  }
  for (; i < width; ++i) {
    float error = 0;
    zeros[0] += ZeroTerm(w[i], g, p, &error);
    errors[0] += error;
  }
  double total = 0;
  double error = 0;
  for (std::int64_t k = 0; k < kLanes; ++k) {
    total += static_cast<double>(zeros[k]);
    error += static_cast<double>(errors[k]);
  }
  *zero = static_cast<float>(total / static_cast<double>(width));
  return error;
}

}  // namespace

double HalfQuadraticStep(const RealZeroGroups& groups, const Proximal& proximal,
                         const at::Tensor& zero) {
  if (!zero.is_cpu()) return reference::HalfQuadraticStep(groups, proximal, zero);
  ROUNDLAB_CHECK(groups.weight.is_contiguous() && groups.reciprocal.is_contiguous() &&
                     zero.is_contiguous() && zero.numel() == groups.weight.size(0),
                 "contiguous tensors, a zero point a group");
  const std::int64_t count = groups.weight.size(0);
  const std::int64_t width = groups.weight.size(1);
  const auto* const weight = groups.weight.const_data_ptr<float>();
  const auto* const reciprocal = groups.reciprocal.const_data_ptr<float>();
  auto* const zeros = zero.mutable_data_ptr<float>();
  const auto high = static_cast<float>(groups.code_max);
  const Powers powers{static_cast<float>(proximal.norm), static_cast<float>(proximal.beta)};
  std::vector<double> errors(static_cast<std::size_t>(count));
  at::parallel_for(0, count, RowGrain(width), [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t r = from; r < to; ++r) {
      errors[static_cast<std::size_t>(r)] =
          StepRow(weight + r * width, {reciprocal[r], zeros[r], high}, powers, width, zeros + r);
    }
  });
  double sum = 0;
  for (const double e : errors) sum += e;
  return sum / static_cast<double>(count * width);
}

double reference::HalfQuadraticStep(const RealZeroGroups& groups, const Proximal& proximal,
                                    const at::Tensor& zero) {
  const at::Tensor& w = groups.weight;
  const at::Tensor r = groups.reciprocal.unsqueeze(1);
  const at::Tensor z = zero.unsqueeze(1);
  const at::Tensor code = (w * r + z).round_().clamp_(0, groups.code_max);
  const at::Tensor gap = w - (code - z) / r;
  const at::Tensor size = gap.abs();
  const at::Tensor kept =
      size.sub(size.pow(proximal.norm - 1), 1 / proximal.beta).clamp_min_(0).copysign_(gap);
  zero.copy_((code - (w - kept) * r).mean(1, false, at::kDouble));
  return size.mean(at::kDouble).item<double>();
}

}  // namespace roundlab
