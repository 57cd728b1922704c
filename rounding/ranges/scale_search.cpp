#include "rounding/ranges/scale_search.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/kernels/scale_search.h"

namespace roundlab {

at::Tensor SearchScale(const at::Tensor& groups, std::int64_t bits, const at::Tensor& importance) {
  ROUNDLAB_CHECK(groups.dim() == 2, "groups must be [groups, width]");
  ROUNDLAB_CHECK(!importance.defined() || importance.sizes() == groups.sizes(),
                 "importance as groups");
  const at::Tensor w = groups.to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor weights =
      importance.defined() ? importance.to(at::kCPU, at::kFloat).contiguous() : at::ones_like(w);
  at::Tensor scales = at::empty({w.size(0)}, at::kFloat);
  SearchScales({w.const_data_ptr<float>(), weights.const_data_ptr<float>(), w.size(0), w.size(1)},
               bits, scales.mutable_data_ptr<float>());
  return scales.to(groups.device());
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
  needs.inputs.square_mean = weighted;
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
  at::Tensor importance = options_.weighted ? ImportanceOf(layer) : at::Tensor();
  if (importance.defined()) importance = FillImportance(importance, groups, layer.spec.bits);
  return RangeOfScale(SearchScale(groups, layer.spec.bits, importance), layer.spec.bits);
}

Work ScaleSearchEstimator::WorkOn(const LayerShape& layer) const {
  constexpr double kScales = 200;
  return {.values = 2 * kScales * layer.Weights()};
}

}  // namespace roundlab
