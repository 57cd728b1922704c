#include "core/quant/activation_quantizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <limits>
#include <sstream>

#include "core/base/error.h"
#include "core/base/real_text.h"
#include "core/kernels/reference.h"
#include "core/quant/border.h"

namespace roundlab {
namespace {

constexpr double kRestrictedFloor = 1e-5;  // of the largest magnitude
constexpr double kCenteredFloor = 1e-4;    // of the scale

using Quantizer = ActivationQuantizer;

/// The border at x / s, [..., groups, width].
at::Tensor BorderAt(const at::Tensor& position, const Quantizer& q) {
  const at::Tensor b = q.border.view({3, position.size(-2), position.size(-1)});
  return QuadraticBorder(position / q.spec.HighestCode(), b[0], b[1], b[2]);
}

/// x / s + z on the grid of integers, clamped.
at::Tensor Rounded(const at::Tensor& view, const AffineGrid& grid, const Quantizer& q) {
  const CodeKind kind = q.spec.grid;
  at::Tensor codes = view / grid.scale;
  // compressed-tensors adds the zero point before it rounds, RPTQ after.
  if (q.border.defined()) {
    codes = (codes - BorderAt(codes, q)).ceil_();
  } else if (kind == CodeKind::kCentered) {
    codes.round_();
  }
  if (kind == CodeKind::kAsym || kind == CodeKind::kCentered) codes.add_(grid.zero);
  return codes.round_().clamp_(q.spec.LowestCode(), q.spec.HighestCode());
}

/// What Apply gives, differentiable in scale and border too.
at::Tensor Differentiable(const at::Tensor& x, const Quantizer& q) {
  const at::Tensor view = ActivationView(x.to(at::kFloat), q.spec);
  const at::Tensor p = view / q.scale;
  const at::Tensor nearest = q.border.defined() ? p + 0.5 - BorderAt(p, q) : p;
  const at::Tensor soft = (nearest + q.zero).clamp(q.spec.LowestCode(), q.spec.HighestCode());
  at::Tensor codes;
  {
    const at::NoGradGuard no_grad;
    codes = Rounded(view, {q.scale, q.zero}, q);
  }
  const at::Tensor through = codes + (soft - soft.detach());  // a difference of 0
  return ((through - q.zero) * q.scale).reshape(x.sizes()).to(x.scalar_type());
}

}  // namespace

const EnumNames<CodeKind>& CodeKindNames() {
  static const EnumNames<CodeKind> kNames = {{CodeKind::kAsym, "asym"},
                                             {CodeKind::kSym, "sym"},
                                             {CodeKind::kSymRestricted, "sym_restricted"},
                                             {CodeKind::kCentered, "centered"}};
  return kNames;
}

const EnumNames<RangePer>& RangePerNames() {
  static const EnumNames<RangePer> kNames = {
      {RangePer::kTensor, "tensor"},   {RangePer::kToken, "token"},
      {RangePer::kGroup, "group"},     {RangePer::kHead, "head"},
      {RangePer::kChannel, "channel"}, {RangePer::kCluster, "cluster"}};
  return kNames;
}

double ActivationSpec::HighestCode() const {
  return static_cast<double>((std::int64_t{1} << (bits - 1)) - 1);
}

double ActivationSpec::LowestCode() const {
  return grid == CodeKind::kSymRestricted ? -HighestCode() : -HighestCode() - 1;
}

AffineGrid ActivationGrid(const GroupRange& range, const ActivationSpec& spec) {
  using reference::Divided;
  const double steps = spec.HighestCode() - spec.LowestCode();
  const double epsilon = std::numeric_limits<float>::epsilon();
  const at::Tensor none = at::zeros_like(range.low);
  if (spec.grid == CodeKind::kCentered) {
    const at::Tensor scale = Divided(range.high - range.low, steps + 1).clamp_min(kCenteredFloor);
    return {scale, -((range.high + range.low) / (2 * scale)).round()};
  }
  if (spec.grid == CodeKind::kAsym) {
    const at::Tensor low = range.low.clamp_max(0);
    const at::Tensor scale = Divided(range.high.clamp_min(0) - low, steps);
    const at::Tensor zero =
        (spec.LowestCode() - low / scale).clamp(spec.LowestCode(), spec.HighestCode()).round();
    const at::Tensor flat = scale == 0;
    return {scale.masked_fill(flat, epsilon), zero.masked_fill(flat, 0)};
  }
  const at::Tensor largest = at::maximum(range.low.abs(), range.high.abs());
  if (spec.grid == CodeKind::kSymRestricted) {
    return {Divided(largest.clamp_min(kRestrictedFloor), spec.HighestCode()), none};
  }
  const at::Tensor scale = Divided(largest, steps / 2);
  return {scale.masked_fill(scale == 0, epsilon), none};
}

at::Tensor ActivationView(const at::Tensor& x, const ActivationSpec& spec) {
  ROUNDLAB_CHECK(x.dim() >= 2 && x.dim() <= 4, "activations must have 2, 3 or 4 dimensions");
  const at::Tensor view = x.dim() == 2   ? x.unsqueeze(0).unsqueeze(2)
                          : x.dim() == 3 ? x.unsqueeze(2)
                                         : x;
  if (spec.per != RangePer::kGroup) return view;
  const std::int64_t channels = view.size(2) * view.size(3);
  ROUNDLAB_CHECK(spec.group_size > 0 && channels % spec.group_size == 0,
                 "groups must divide the channels");
  return view.reshape({view.size(0), view.size(1), channels / spec.group_size, spec.group_size});
}

std::vector<std::int64_t> RangeDims(RangePer per, bool over_texts) {
  std::vector<std::int64_t> dims;
  if (over_texts) dims = {0};
  switch (per) {
    case RangePer::kTensor:
      dims.insert(dims.end(), {1, 2, 3});
      break;
    case RangePer::kHead:
      dims.insert(dims.end(), {1, 3});
      break;
    case RangePer::kChannel:
    case RangePer::kCluster:
      dims.push_back(1);
      break;
    case RangePer::kToken:
    case RangePer::kGroup:
      if (over_texts) dims.push_back(1);
      dims.push_back(3);
      break;
  }
  return dims;
}

GroupRange ActivationRange(const at::Tensor& view, RangePer per, bool over_texts) {
  const std::vector<std::int64_t> dims = RangeDims(per, over_texts);
  return {view.amin(dims, true), view.amax(dims, true)};
}

OutlierSplit SplitOutliers(const at::Tensor& view, const ActivationSpec& spec) {
  const at::Tensor half = view.to(at::kHalf).to(at::kFloat);
  const at::Tensor outlier = half.abs() >= spec.threshold;
  OutlierSplit split;
  split.columns = outlier.any(1, true);
  split.largest = half.masked_fill(outlier, 0).abs().amax({2, 3}, true);
  const at::Tensor one = split.largest.masked_fill(split.largest == 0, 1);
  split.codes = (half * (one.reciprocal() * spec.HighestCode())).round();
  split.codes.masked_fill_(split.columns, 0);
  return split;
}

bool ActivationQuantizer::SpansTokens() const {
  if (spec.threshold > 0) return true;
  return Dynamic() && spec.per != RangePer::kToken && spec.per != RangePer::kGroup;
}

AffineGrid ActivationQuantizer::GridOf(const at::Tensor& view) const {
  if (!Dynamic()) return {scale, zero};
  return ActivationGrid(ActivationRange(view, spec.per, false), spec);
}

at::Tensor ActivationQuantizer::Codes(const at::Tensor& x) const {
  if (x.numel() == 0) return x.to(at::kFloat);
  const at::NoGradGuard no_grad;
  const at::Tensor view = ActivationView(x.detach().to(at::kFloat), spec);
  if (spec.threshold > 0) return SplitOutliers(view, spec).codes.reshape(x.sizes());
  return Rounded(view, GridOf(view), *this).reshape(x.sizes());
}

at::Tensor ActivationQuantizer::ApplyToView(const at::Tensor& view) const {
  const at::NoGradGuard no_grad;
  if (spec.threshold > 0) {
    const OutlierSplit split = SplitOutliers(view, spec);
    return at::where(split.columns, view, split.codes * (split.largest / spec.HighestCode()));
  }
  const AffineGrid grid = GridOf(view);
  return Rounded(view, grid, *this).sub_(grid.zero).mul_(grid.scale);
}

at::Tensor ActivationQuantizer::Apply(const at::Tensor& x) const {
  if (x.numel() == 0) return x;
  const auto moves = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  if (at::GradMode::is_enabled() && (moves(scale) || moves(border)))
    return Differentiable(x, *this);
  const at::Tensor wide = ActivationView(x.detach().to(at::kFloat), spec);
  const at::Tensor decoded = ApplyToView(wide).reshape(x.sizes()).to(x.scalar_type());
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return decoded;
  at::Tensor inside = x;
  if (!Dynamic()) {  // a dynamic range leaves nothing outside
    const at::Tensor low = (spec.LowestCode() - 0.5 - zero) * scale;
    const at::Tensor high = (spec.HighestCode() + 0.5 - zero) * scale;
    const at::Tensor view = ActivationView(x, spec);
    inside =
        at::where((view >= low).logical_and(view <= high), view, view.detach()).reshape(x.sizes());
  }
  return decoded + (inside - inside.detach());  // a difference of 0 that has x's gradient
}

std::vector<ActivationQuantizer::Part> ActivationQuantizer::Parts() {
  return {{"scale", &scale}, {"zero", &zero}, {"border", &border}};
}

ActivationQuantizer ActivationQuantizer::To(const at::Device& device) const {
  ActivationQuantizer moved = *this;
  for (const Part& part : moved.Parts()) {
    if (part.tensor->defined()) *part.tensor = part.tensor->to(device);
  }
  return moved;
}

std::string SpecText(const ActivationSpec& spec) {
  return std::to_string(spec.bits) + " " + EnumName(spec.grid, CodeKindNames()) + " " +
         EnumName(spec.per, RangePerNames()) + " " + std::to_string(spec.group_size) +
         (spec.threshold > 0 ? " " + RealText(spec.threshold) : "");
}

ActivationSpec ReadActivationSpec(const std::string& text, const std::string& place) {
  std::istringstream in(text);
  ActivationSpec spec;
  std::string grid_name;
  std::string per_name;
  in >> spec.bits >> grid_name >> per_name >> spec.group_size;
  const auto grid = EnumValue(grid_name, CodeKindNames());
  const auto per = EnumValue(per_name, RangePerNames());
  bool read = in && grid && per && spec.bits >= 1 && spec.bits <= 16 && spec.group_size >= 1;
  if (read && !(in >> std::ws).eof()) {
    read = in >> spec.threshold && spec.threshold > 0 && (in >> std::ws).eof();
  }
  if (!read) throw Error(place + ": bad activation spec '" + text + "'");
  spec.grid = *grid;
  spec.per = *per;
  return spec;
}

}  // namespace roundlab
