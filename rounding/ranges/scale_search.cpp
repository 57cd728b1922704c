#include "rounding/ranges/scale_search.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
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

at::Tensor SearchScale(const at::Tensor& groups, std::int64_t bits, const at::Tensor& importance) {
  ROUNDLAB_CHECK(groups.dim() == 2, "groups must be [groups, width]");
  ROUNDLAB_CHECK(!importance.defined() || importance.sizes() == groups.sizes(),
                 "importance as groups");
  const at::Tensor w = groups.to(at::kFloat).contiguous();
  const at::Tensor weights =
      importance.defined() ? importance.to(at::kFloat).contiguous() : at::ones_like(w);
  const std::int64_t width = w.size(1);
  at::Tensor scales = at::empty({w.size(0)}, at::kFloat);
  const float* values = w.const_data_ptr<float>();
  const float* factors = weights.const_data_ptr<float>();
  auto* out = scales.mutable_data_ptr<float>();
  const SearchGrid grid(bits);
  at::parallel_for(0, w.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      out[g] = SearchGroup(values + g * width, factors + g * width, grid, width);
    }
  });
  return scales;
}

at::Tensor SpreadImportance(const at::Tensor& columns, const GroupLayout& layout) {
  ROUNDLAB_CHECK(columns.numel() == layout.in, "importance has one number a column");
  const at::Tensor row = columns.to(at::kFloat).reshape({1, layout.in});
  if (!layout.Padded()) return layout.Split(row.expand({layout.out, layout.in}));
  const at::Tensor filled =
      at::constant_pad_nd(row, {0, layout.per_row * layout.width - layout.in}, 1e-5);
  return filled.expand({layout.out, filled.size(1)}).reshape({layout.Count(), layout.width});
}

at::Tensor FillImportance(const at::Tensor& importance, const at::Tensor& groups,
                          std::int64_t bits) {
  const at::Tensor zeros = (importance <= 1e-30).sum(1, true);
  at::Tensor fallback = groups.abs();
  if (bits > 3) fallback = fallback + (groups.square().sum(1, true) / 32).sqrt();
  const std::int64_t width = importance.size(1);
  const at::Tensor mean = importance.sum(1, true) / (width - zeros);
  const at::Tensor filled = at::where(importance == 0, mean, importance);
  return at::where(zeros > width / 2, fallback, filled);
}

GroupRange RangeOfScale(const at::Tensor& scale, std::int64_t bits) {
  const at::Tensor end = scale.abs() * static_cast<double>(std::int64_t{1} << (bits - 1));
  return {at::where(scale > 0, -end, 0), at::where(scale > 0, 0, end)};
}

at::Tensor ImportanceOf(const LayerContext& layer) {
  if (layer.inputs == nullptr || !layer.inputs->square_mean.defined()) return {};
  const double tokens = static_cast<double>(layer.inputs->tokens);
  return SpreadImportance(layer.inputs->square_mean * tokens, layer.Layout());
}

LayerNeeds ImportanceNeeds(bool weighted) {
  LayerNeeds needs;
  needs.inputs.channel = weighted;
  needs.chain = Chain::kOriginal;
  return needs;
}

void ScaleSearchEstimator::Options::Fields(FieldVisitor& f) {
  f.Bool("weighted", &weighted,
         "weight each weight's error by the sum of its inputs' squares in the unquantized model");
}

LayerNeeds ScaleSearchEstimator::Uses() const { return ImportanceNeeds(options_.weighted); }

GroupRange ScaleSearchEstimator::Estimate(const LayerContext& layer) const {
  const at::Tensor groups = layer.Layout().Split(layer.weight);
  if (layer.spec.grid != GridKind::kSymFull) return MinMaxRange(groups);
  at::Tensor importance = options_.weighted ? ImportanceOf(layer) : at::Tensor();
  if (importance.defined()) importance = FillImportance(importance, groups, layer.spec.bits);
  return RangeOfScale(SearchScale(groups, layer.spec.bits, importance), layer.spec.bits);
}

}  // namespace roundlab
