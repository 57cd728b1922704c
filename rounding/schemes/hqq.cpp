#include "rounding/schemes/hqq.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

const EnumNames<RoundZero>& RoundZeroNames() {
  static const EnumNames<RoundZero> names = {{RoundZero::kAtFourBits, "at_4_bits"},
                                             {RoundZero::kAlways, "always"},
                                             {RoundZero::kNever, "never"}};
  return names;
}

/// Whether the range is what the weights alone say.
bool IsMinMax(const LayerContext& layer) {
  const GroupRange plain = MinMaxRange(layer.Layout().Split(layer.weight));
  return at::equal(layer.range.low, plain.low) && at::equal(layer.range.high, plain.high);
}

struct HqqPart {
  at::Tensor codes;  // [out, columns]
  at::Tensor scale;  // [out, groups]
  at::Tensor zero;   // [out, groups]
};

/// Columns [begin, end) of the weight, in groups of `width`.
HqqPart SolveColumns(const LayerContext& layer, std::int64_t begin, std::int64_t end,
                     std::int64_t width, const HqqSettings& settings, Diagnostics* diagnostics) {
  const std::int64_t out = layer.weight.size(0);
  const at::Tensor groups =
      layer.weight.narrow(1, begin, end - begin).reshape({-1, width}).contiguous();
  const HqqSolution solution = SolveHqq(groups, settings);
  (*diagnostics)[begin == 0 ? "mean_error" : "mean_error_of_last_groups"] = solution.errors;
  return {solution.codes.view({out, -1}), solution.scale.view({out, -1}),
          solution.zero.view({out, -1})};
}

/// Whole groups of a layout, whatever it is.
std::unique_ptr<LayerRounding> SolveGroups(const LayerContext& layer, const GroupLayout& layout,
                                           const HqqSettings& settings) {
  const HqqSolution solution = SolveHqq(layout.Split(layer.weight), settings);
  QuantizedWeight weight =
      FromCodes(solution.codes, {solution.scale, solution.zero}, layout, layer.spec);
  if (layout.down) weight.spec.axis = 0;
  return FixedRounding(std::move(weight), {{"mean_error", solution.errors}});
}

}  // namespace

void Hqq::Options::Fields(FieldVisitor& f) {
  f.UsedIf(settings.iterations > 0, "with iterations: 0", [this](FieldVisitor& iterated) {
    iterated.Real("norm", &settings.norm, Between(0, 1), "p of the error |w - w^|^p");
    iterated.Real("beta", &settings.beta, Above(0), "weight of the quadratic term");
    iterated.Real("kappa", &settings.kappa, Above(0), "its growth an iteration");
  });
  f.Int("iterations", &settings.iterations, AtLeast(0), "steps of the zero points; 0: nearest");
  f.UsedIf(settings.iterations > 0, "with iterations: 0", [this](FieldVisitor& iterated) {
    iterated.Bool("early_stop", &settings.early_stop,
                  "stop once the layer's mean |w - w^| falls no more");
  });
  EnumField<RoundZero> field(&round_zero, RoundZeroNames());
  f.Value("round_zero", field, "when iterations start from integer zero points");
  f.Int("axis", &axis, Between(0, 1),
        "along which weights share a scale: 1 the input, 0 the output (groups go down columns)");
}

void Hqq::Check(const LayerShape& layer) const {
  const std::int64_t size = layer.spec.group_size;
  if (options_.axis == 1 || size <= 0 || layer.out * layer.in % size == 0) return;
  throw Error(layer.name + ": scheme 'hqq' with axis 0 needs a group_size that divides the " +
              std::to_string(layer.out) + " x " + std::to_string(layer.in) + " weights, got " +
              std::to_string(size));
}

std::unique_ptr<LayerRounding> Hqq::Begin(const LayerContext& layer) const {
  Check(layer.Shape());
  RequireFiniteWeight(layer);
  if (!IsMinMax(layer)) throw Error(layer.name + ": scheme 'hqq' needs quant.range minmax");
  HqqSettings settings = options_.settings;
  settings.code_max = layer.spec.CodeMax();
  settings.dtype = TorchType(layer.spec.scale_dtype);
  settings.round_zero = options_.round_zero == RoundZero::kAlways ||
                        (options_.round_zero == RoundZero::kAtFourBits && layer.spec.bits == 4);
  const GroupLayout layout = layer.Layout();
  if (options_.axis == 0) {
    return SolveGroups(layer, GroupLayout::Down(layout.out, layout.in, layer.spec.group_size),
                       settings);
  }
  if (layer.spec.group_size == 0) return SolveGroups(layer, layout, settings);
  QuantizedWeight weight;
  weight.spec = layer.spec;
  Diagnostics diagnostics;
  const std::int64_t even = layout.in / layout.width * layout.width;
  HqqPart part = SolveColumns(layer, 0, even, layout.width, settings, &diagnostics);
  if (even < layout.in) {
    const HqqPart last =
        SolveColumns(layer, even, layout.in, layout.in - even, settings, &diagnostics);
    part = {at::cat({part.codes, last.codes}, 1), at::cat({part.scale, last.scale}, 1),
            at::cat({part.zero, last.zero}, 1)};
  }
  weight.codes = part.codes;
  weight.scale = part.scale;
  weight.zero = part.zero;
  return FixedRounding(std::move(weight), std::move(diagnostics));
}

Work Hqq::WorkOn(const LayerShape& layer) const {
  const auto iterations = static_cast<double>(options_.settings.iterations);
  return {.values = 9 * iterations * layer.Weights(), .ops = 5 * iterations};
}

}  // namespace roundlab
