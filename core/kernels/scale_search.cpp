#include "core/kernels/scale_search.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

constexpr float kLeastSearched = 1e-5F;
constexpr std::int64_t kErrorLanes = 16;

/// Candidate i has 1 / scale = -(levels - step i) / e.
struct SearchGrid {
  double levels;
  double step;
  std::int64_t most;

  explicit SearchGrid(std::int64_t bits)
      : levels(static_cast<double>(std::int64_t{1} << (bits - 1))),
        step(bits == 2 ? 0.01 : 0.0075 * levels),
        most(bits == 2 ? 90 : 100) {}
};

/// Sum of importance (w - scale code)^2 in float32, as the reference adds.
ROUNDLAB_SIMD float CodingError(const float* w, const float* importance, float inverse,
                                float levels, std::int64_t width) {
  const float scale = 1.0F / inverse;
  float lanes[kErrorLanes] = {};
  const auto one = [&](std::int64_t i) {
    const float rounded = std::rint(inverse * w[i]);
    const float code = std::min(std::max(rounded, -levels), levels - 1.0F);
    const float error = scale * code - w[i];
    return error * error * importance[i];
  };
  std::int64_t i = 0;
  for (; i + kErrorLanes <= width; i += kErrorLanes) {
    for (std::int64_t k = 0; k < kErrorLanes; ++k) lanes[k] += one(i + k);
  }
  float total = 0;
  for (; i < width; ++i) total += one(i);
  for (const float lane : lanes) total += lane;
  return total;
}

float SearchGroup(const float* w, const float* importance, const SearchGrid& grid,
                  std::int64_t width) {
  float extreme = 0;
  for (std::int64_t i = 0; i < width; ++i) {
    if (std::fabs(w[i]) > std::fabs(extreme)) extreme = w[i];
  }
  if (std::fabs(extreme) < 1e-30F) return kLeastSearched;
  const float reciprocal = 1.0F / extreme;
  const auto levels = static_cast<float>(grid.levels);
  float best = -levels * reciprocal;
  float least = CodingError(w, importance, best, levels, width);
  for (std::int64_t i = -grid.most; i <= grid.most; ++i) {
    if (i == 0) continue;
    const double wanted = -(grid.levels - grid.step * static_cast<double>(i));
    const float inverse = static_cast<float>(wanted) * reciprocal;
    const float error = CodingError(w, importance, inverse, levels, width);
    if (!(error < least)) continue;
    least = error;
    best = inverse;
  }
  const float scale = 1.0F / best;
  return scale < 0 ? std::min(scale, -kLeastSearched) : std::max(scale, kLeastSearched);
}

}  // namespace

void SearchScales(const WeighedRows& rows, std::int64_t bits, float* scales) {
  const SearchGrid grid(bits);
  at::parallel_for(0, rows.groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const std::int64_t first = g * rows.width;
      scales[g] = SearchGroup(rows.weight + first, rows.importance + first, grid, rows.width);
    }
  });
}

}  // namespace roundlab
