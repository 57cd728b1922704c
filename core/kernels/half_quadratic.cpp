#include "core/kernels/half_quadratic.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

struct GroupGrid {
  float reciprocal;
  float zero;
  float high;
};

/// What a weight adds to the sum of the group's new zero point; its |w - w^| goes to `error`.
[[gnu::always_inline]] inline float ZeroTerm(float w, const GroupGrid& g, const Proximal& p,
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
ROUNDLAB_SIMD double StepRow(const float* w, const GroupGrid g, const Proximal p,
                             std::int64_t width, float* zero) {
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

double HalfQuadraticStep(const RealZeroRows& rows, const Proximal& proximal, float* zero) {
  std::vector<double> errors(static_cast<std::size_t>(rows.groups));
  at::parallel_for(0, rows.groups, RowGrain(rows.width), [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t r = from; r < to; ++r) {
      const GroupGrid grid{rows.reciprocal[r], zero[r], rows.code_max};
      errors[static_cast<std::size_t>(r)] =
          StepRow(rows.weight + r * rows.width, grid, proximal, rows.width, zero + r);
    }
  });
  double sum = 0;
  for (const double e : errors) sum += e;
  return sum / static_cast<double>(rows.groups * rows.width);
}

}  // namespace roundlab
