#include "core/kernels/half_quadratic.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

/// Sums over a group, in lanes that compilers vectorize.
struct GroupSums {
  float zero[kLanes] = {};
  float error[kLanes] = {};
};

struct GroupGrid {
  float reciprocal;
  float zero;
  float high;
};

inline void AddOne(float w, const GroupGrid& g, const Proximal& p, float* zero, float* error) {
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: adding it rounds half to even
  const float position = w * g.reciprocal + g.zero;
  const float inside = position < 0.0F ? 0.0F : (position > g.high ? g.high : position);
  const float code = (inside + kMagic) - kMagic;
  const float gap = w - (code - g.zero) / g.reciprocal;
  const float size = std::fabs(gap);
  const float left = size - FastExp((p.norm - 1.0F) * FastLog(size)) / p.beta;
  const float kept = left > 0.0F ? left : 0.0F;
  *zero += code - (w - std::copysign(kept, gap)) * g.reciprocal;
  *error += size;
}

/// The sum of |w - w^|; `zero` gets the group's new zero point.
ROUNDLAB_SIMD double StepRow(const float* w, const GroupGrid& g, const Proximal& p,
                             std::int64_t width, float* zero) {
  GroupSums sums;
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      AddOne(w[i + k], g, p, &sums.zero[k], &sums.error[k]);
    }
  }
  for (; i < width; ++i) AddOne(w[i], g, p, &sums.zero[0], &sums.error[0]);
  double total = 0;
  double error = 0;
  for (std::int64_t k = 0; k < kLanes; ++k) {
    total += static_cast<double>(sums.zero[k]);
    error += static_cast<double>(sums.error[k]);
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
