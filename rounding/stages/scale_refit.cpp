#include "rounding/stages/scale_refit.h"

#include <ATen/ATen.h>

#include <optional>

#include "core/config/enum_field.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

const EnumNames<RefitWeights> kWeights = {{RefitWeights::kNone, "none"},
                                          {RefitWeights::kInputs, "inputs"}};

/// <a, b>_H of each group, float64 [groups]; of a group of several rows, their sum.
at::Tensor Product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& moments) {
  if (!moments.defined()) return (a * b).sum(1);
  const std::int64_t width = moments.size(1);
  const at::Tensor rows = b.reshape({-1, moments.size(0), width}).transpose(0, 1);
  const at::Tensor weighted = at::bmm(rows, moments).transpose(0, 1).reshape({-1, width});
  return (a.reshape({-1, width}) * weighted).sum(1).reshape({a.size(0), -1}).sum(1);
}

/// The diagonal blocks of H [in, in] for the groups of a row: [groups, width, width], zeros where a
/// group is filled up.
at::Tensor BlocksOf(const at::Tensor& moment, const GroupLayout& layout) {
  const std::int64_t width = layout.width;
  const std::int64_t padded = layout.per_row * width;
  const at::Tensor all =
      at::constant_pad_nd(moment, {0, padded - layout.in, 0, padded - layout.in});
  std::vector<at::Tensor> blocks;
  for (std::int64_t g = 0; g < layout.per_row; ++g) {
    blocks.push_back(all.narrow(0, g * width, width).narrow(1, g * width, width));
  }
  return at::stack(blocks).to(at::kDouble);
}

/// What of a weight [out, in] its codes are to say.
at::Tensor LeftToCodes(const at::Tensor& weight, const QuantizedWeight& rounded) {
  const at::Tensor pair = rounded.LowRank();
  return (pair.defined() ? weight - pair : weight) * rounded.HeldByCodes();
}

/// The columns of a weight, those of one group side by side as its layout has them.
class GroupedColumns {
 public:
  explicit GroupedColumns(const QuantizedWeight& weight) {
    if (!weight.g_idx.defined()) return;
    order_ = at::argsort(weight.g_idx, /*stable=*/true, 0, /*descending=*/false);
    const at::Tensor found = weight.g_idx.index_select(0, order_);
    const at::Tensor column = at::arange(found.numel(), found.options());
    full_ = at::equal(found, at::floor_divide(column, weight.Layout().width));
  }
  /// Whether groups have the size of the layout's.
  bool Full() const { return full_; }
  /// t, whose dimension `dim` is columns in the order of the weight.
  at::Tensor Of(const at::Tensor& t, std::int64_t dim = 1) const {
    return order_.defined() ? t.index_select(dim, order_) : t;
  }

 private:
  at::Tensor order_;  // [in] int64; undefined where the weight's order is that of its groups
  bool full_ = true;
};

/// What the codes say in units of the scale, [groups, width]; 0 where they say nothing: in what a
/// group is filled up with, and where a weight is kept apart.
at::Tensor Distance(const QuantizedWeight& rounded, const GroupedColumns& columns) {
  const GroupLayout layout = rounded.Layout();
  const at::Tensor codes = layout.Split(columns.Of(rounded.codes.to(at::kFloat)));
  return rounded.Steps(codes, rounded.zero.reshape({-1, 1})) *
         layout.Split(columns.Of(rounded.HeldByCodes()));
}

/// A layer with its scales refitted; none where it has none of groups.
std::optional<QuantizedWeight> Refit(UnitWork* work, const LinearSlot& slot, bool weighted,
                                     QuantizedWeight weight) {
  const GroupedColumns columns(weight);
  if (!weight.OnGrid() || !columns.Full()) {
    work->log().Write(slot.name + ": scales not refitted (its codes are no steps of its groups)");
    return std::nullopt;
  }
  const GroupLayout layout = weight.Layout();
  at::Tensor moments;
  if (weighted) {
    const auto inputs = work->Statistics(slot, Chain::kQuantized);
    const bool whole = weight.scale.numel() == 1 && weight.spec.axis != 0;
    const bool runs = layout.scale_rows == layout.out;  // else down a column, of one number of H
    if (inputs->tokens > 0 && (whole || runs)) {
      const at::Tensor moment = columns.Of(columns.Of(inputs->second_moment), 0);
      moments = whole ? moment.unsqueeze(0).to(at::kDouble) : BlocksOf(moment, layout);
    }
  }
  const at::Tensor scale = weight.scale.flatten();
  const at::Tensor left = layout.Split(columns.Of(LeftToCodes(slot.weight, weight)));
  const at::Tensor fitted =
      RefitScales(left, Distance(weight, columns), scale, moments, weight.spec.scale_dtype);
  work->sink()->Array("layers/" + slot.name + "/scales_refitted", {1},
                      {(fitted != scale).to(at::kDouble).mean().item<double>()});
  weight.scale = fitted.view_as(weight.scale).contiguous();
  return weight;
}

}  // namespace

at::Tensor RefitScales(const at::Tensor& groups, const at::Tensor& distance,
                       const at::Tensor& scale, const at::Tensor& moments, ScaleType type) {
  const at::Tensor w = groups.to(at::kDouble);
  const at::Tensor d = distance.to(at::kDouble);
  const at::Tensor dd = Product(d, d, moments);
  const at::Tensor wd = Product(w, d, moments);
  const at::Tensor exact = at::where(dd > 0, wd / dd, scale.to(at::kDouble));
  const at::Tensor best = exact.to(at::kFloat).to(TorchType(type)).to(at::kFloat);
  // The error but for what does not depend on the scale.
  const auto error = [&](const at::Tensor& s) {
    const at::Tensor wide = s.to(at::kDouble);
    return wide.square() * dd - 2 * wide * wd;
  };
  const at::Tensor better = at::logical_and(best.isfinite(), error(best) < error(scale));
  return at::where(at::logical_and(better, best.abs() >= LimitsOf(type).floor), best, scale);
}

void ScaleRefit::Options::Fields(FieldVisitor& f) {
  EnumField weights_field(&weights, kWeights);
  f.Value("weights", weights_field,
          "by what a weight's error counts: alike, or by the second moment of the inputs");
}

StageNeeds ScaleRefit::Needs(const QuantOptions& /*quant*/) const {
  StageNeeds needs;
  if (options_.weights == RefitWeights::kNone) return needs;
  needs.tokens = true;
  needs.quantized = true;
  needs.of_quantized.second_moment = true;
  return needs;
}

double ScaleRefit::WorkingBytes(const BlockPlan& block) const {
  // Weights and what their codes say, in float64 too, and a product of them; a second moment.
  const bool weighted = options_.weights == RefitWeights::kInputs;
  double most = 0;
  for (const LinearPlan& linear : block.linears) {
    const auto in = static_cast<double>(linear.in);
    const double moment = weighted ? in * in : 0;
    most = std::max(most, 9 * static_cast<double>(linear.out) * in + moment);
  }
  return sizeof(float) * most;
}

void ScaleRefit::Apply(UnitWork* work) const {
  const bool weighted = options_.weights == RefitWeights::kInputs;
  for (const std::vector<LinearSlot*>& group : work->SlotsByInput()) {
    if (weighted) work->Measure(group, Chain::kQuantized);
    for (LinearSlot* slot : group) {
      const auto found = work->weights().find(slot->name);
      if (found == work->weights().end()) continue;
      auto refitted = Refit(work, *slot, weighted, found->second);
      if (refitted) work->Keep(slot, *std::move(refitted));
    }
    work->Changed(*group.front());
  }
  work->Step();
}

Work ScaleRefit::WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t /*samples*/,
                        std::int64_t /*seqlen*/) const {
  if (options_.weights == RefitWeights::kNone) return {};
  Work work;
  for (const LinearPlan& linear : block.linears) {
    const auto spec = quant.For(linear.name);
    if (!spec) continue;
    const double width = static_cast<double>(spec->group_size > 0 ? spec->group_size : linear.in);
    const double weights = linear.Weights();
    work += {.flops = 4 * width * weights, .values = 20 * weights};
  }
  return work;
}

}  // namespace roundlab
