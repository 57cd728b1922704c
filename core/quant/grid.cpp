#include "core/quant/grid.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstdio>
#include <utility>

#include "core/base/error.h"
#include "core/kernels/reference.h"

namespace roundlab {
namespace {

double MiddleCode(const QuantSpec& spec) {
  return static_cast<double>(std::int64_t{1} << (spec.bits - 1));
}

/// GPTQ's quirk: half the range for a group without negative weights.
AffineGrid QuirkGrid(const GroupRange& range, const QuantSpec& spec) {
  const at::Tensor twice = 2 * at::maximum(-range.low, range.high);
  const at::Tensor span = at::where(range.low < 0, twice, range.high);
  return {CastScale(reference::Divided(span, spec.CodeMax()), spec),
          at::full_like(range.low, MiddleCode(spec)).detach()};
}

std::string NumberText(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

}  // namespace

at::ScalarType TorchType(ScaleType type) {
  if (type == ScaleType::kFloat32) return at::kFloat;
  return type == ScaleType::kFloat16 ? at::kHalf : at::kBFloat16;
}

ScaleLimits LimitsOf(ScaleType type) {
  const at::ScalarType dtype = TorchType(type);
  return {reference::ScaleFloor(dtype), reference::LargestNumber(dtype)};
}

at::Tensor CastScale(const at::Tensor& scale, const QuantSpec& spec) {
  return reference::CastScale(scale, TorchType(spec.scale_dtype));
}

at::Tensor CastScalePast(const at::Tensor& scale, const QuantSpec& spec) {
  return scale - scale.detach() + CastScale(scale.detach(), spec).to(at::kFloat);
}

GroupRange MinMaxRange(const at::Tensor& groups) {
  ROUNDLAB_CHECK(groups.dim() == 2, "groups must be [groups, width]");
  at::Tensor low = groups.amin(1).clamp_max(0);
  at::Tensor high = groups.amax(1).clamp_min(0);
  const at::Tensor empty = (low == 0).logical_and(high == 0);
  return {low.masked_fill(empty, -1), high.masked_fill(empty, 1)};
}

std::optional<SymmetricGrid> PlainGrid(const QuantSpec& spec) {
  const double middle = MiddleCode(spec);
  switch (spec.grid) {
    case GridKind::kAsym:
      return SymmetricGrid{};
    case GridKind::kSym:
      if (spec.gptq_sym_quirk) return std::nullopt;
      return SymmetricGrid{middle, 2, spec.CodeMax(), false};
    case GridKind::kSymFull:
      return SymmetricGrid{middle, 1, middle, true};
    case GridKind::kSymRestricted:
    case GridKind::kPower:
      return SymmetricGrid{middle, 1, middle - 1, false};
    case GridKind::kFloatZero:
      break;
  }
  return std::nullopt;
}

AffineGrid MakeGrid(const GroupRange& range, const QuantSpec& spec) {
  if (spec.grid == GridKind::kSym && spec.gptq_sym_quirk) return QuirkGrid(range, spec);
  const at::ScalarType dtype = TorchType(spec.scale_dtype);
  const auto [scale, zero] = reference::RangeGrid(range.low, range.high, spec.CodeMax(), dtype,
                                                  PlainGrid(spec).value_or(SymmetricGrid{}));
  if (spec.grid == GridKind::kFloatZero) {
    return {scale, (-range.low / scale).to(dtype).to(at::kFloat)};
  }
  return {scale, zero};
}

GroupRange RangeOfGrid(const AffineGrid& grid, const QuantSpec& spec) {
  const at::Tensor scale = grid.scale.to(at::kFloat);
  if (spec.grid == GridKind::kSym) {
    const at::Tensor reach = scale * (spec.CodeMax() / 2);
    return {-reach, reach};
  }
  const double middle = MiddleCode(spec);
  if (spec.grid == GridKind::kSymRestricted) {
    const at::Tensor reach = scale * (middle - 1);
    return {-reach, reach};
  }
  if (spec.grid == GridKind::kSymFull) {
    const at::Tensor reach = scale * middle;
    return {(-reach).clamp_max(0), (-reach).clamp_min(0)};
  }
  ROUNDLAB_CHECK(spec.grid == GridKind::kAsym, "a grid with an integer zero point");
  return {-scale * grid.zero, scale * (spec.CodeMax() - grid.zero)};
}

std::string GridProblem(const AffineGrid& grid, const GroupRange& range, const QuantSpec& spec) {
  for (const auto& [name, values] :
       {std::pair{"scale", grid.scale}, std::pair{"zero point", grid.zero}}) {
    const at::Tensor wide = values.detach().to(at::kFloat);
    const at::Tensor bad = wide.isfinite().logical_not().flatten();
    if (!bad.any().item<bool>()) continue;
    const auto group = bad.to(at::kByte).argmax().item<std::int64_t>();
    const double value = wide.flatten()[group].item<double>();
    const std::string what = std::string(name) + " of group " + std::to_string(group) + " is " +
                             (std::isnan(value) ? "nan" : NumberText(value));
    const double low = range.low.detach().flatten()[group].item<double>();
    const double high = range.high.detach().flatten()[group].item<double>();
    if (!std::isfinite(low) || !std::isfinite(high)) {
      return what + ": the group's range is " + NumberText(low) + " to " + NumberText(high);
    }
    return what + ": the group's range of " + NumberText(high - low) + " in " +
           NumberText(spec.CodeMax()) + " steps is above " +
           EnumName(spec.scale_dtype, ScaleTypeNames()) + "'s largest value " +
           NumberText(LimitsOf(spec.scale_dtype).ceiling) +
           " (quant.scale_dtype: float32 holds it)";
  }
  return "";
}

}  // namespace roundlab
