#include "rounding/stages/scale_refit.h"

#include <ATen/ATen.h>

#include "core/config/enum_field.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

const EnumNames<RefitWeights> kWeights = {{RefitWeights::kNone, "none"},
                                          {RefitWeights::kInputs, "inputs"}};

/// <a, b>_H of each group, float64 [groups].
at::Tensor Product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& moments) {
  if (!moments.defined()) return (a * b).sum(1);
  const std::int64_t width = a.size(1);
  const at::Tensor rows = b.view({-1, moments.size(0), width}).transpose(0, 1);
  const at::Tensor weighted = at::bmm(rows, moments).transpose(0, 1).reshape({-1, width});
  return (a * weighted).sum(1);
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

/// What the codes say in units of the scale, [groups, width]; 0 where they say nothing: in what a
/// group is filled up with, and where a weight is kept apart.
at::Tensor Distance(const QuantizedWeight& rounded) {
  const GroupLayout layout = rounded.Layout();
  const at::Tensor codes = layout.Split(rounded.codes.to(at::kFloat));
  return rounded.Steps(codes, rounded.zero.reshape({-1, 1})) * layout.Split(rounded.HeldByCodes());
}

}  // namespace

at::Tensor RefitScales(const at::Tensor& groups, const at::Tensor& distance,
                       const at::Tensor& scale, const at::Tensor& moments, ScaleType type) {
  const at::Tensor w = groups.to(at::kDouble);
  const at::Tensor d = distance.to(at::kDouble);
  const at::Tensor dd = Product(d, d, moments);
  const at::Tensor wd = Product(w, d, moments);
  const auto store = [&](const at::Tensor& s) {
    const at::Tensor wide = s.to(at::kFloat);
    if (type == ScaleType::kFloat32) return wide;
    return wide.to(type == ScaleType::kFloat16 ? at::kHalf : at::kBFloat16).to(at::kFloat);
  };
  const at::Tensor best = store(at::where(dd > 0, wd / dd, scale.to(at::kDouble)));
  // The error but for what does not depend on the scale.
  const auto error = [&](const at::Tensor& s) {
    const at::Tensor wide = s.to(at::kDouble);
    return wide.square() * dd - 2 * wide * wd;
  };
  const at::Tensor better = at::logical_and(best.isfinite(), error(best) < error(scale));
  return at::where(at::logical_and(better, best != 0), best, scale);
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

void ScaleRefit::Apply(UnitWork* work) const {
  const bool weighted = options_.weights == RefitWeights::kInputs;
  for (const std::vector<LinearSlot*>& group : work->SlotsByInput()) {
    if (weighted) work->Measure(group, Chain::kQuantized);
    for (LinearSlot* slot : group) {
      const auto found = work->weights().find(slot->name);
      if (found == work->weights().end()) continue;
      QuantizedWeight weight = found->second;
      if (!weight.OnGrid() || weight.g_idx.defined()) {
        work->log().Write(slot->name + ": scales not refitted (its codes are no steps on runs of " +
                          "columns)");
        continue;
      }
      const GroupLayout layout = weight.Layout();
      at::Tensor moments;
      if (weighted) {
        const auto inputs = work->Statistics(*slot, Chain::kQuantized);
        const bool runs = layout.scale_rows == layout.out;
        if (!runs) {
          work->log().Write(slot->name +
                            ": refitted without its inputs (its groups are no runs of a "
                            "row)");
        }
        if (inputs->tokens > 0 && runs) moments = BlocksOf(inputs->second_moment, layout);
      }
      const at::Tensor scale = weight.scale.flatten();
      const at::Tensor fitted =
          RefitScales(layout.Split(LeftToCodes(slot->weight, weight)), Distance(weight), scale,
                      moments, weight.spec.scale_dtype);
      work->sink()->Array("layers/" + slot->name + "/scales_refitted", {1},
                          {(fitted != scale).to(at::kDouble).mean().item<double>()});
      weight.scale = fitted.view_as(weight.scale).contiguous();
      work->Keep(slot, std::move(weight));
    }
    work->Changed(*group.front());
  }
  work->Step();
}

}  // namespace roundlab
