#include "rounding/schemes/omniquant.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/kernels/ops.h"
#include "rounding/schemes/histogram.h"
#include "rounding/schemes/offset.h"

namespace roundlab {
namespace {

constexpr double kLeastScale = 1e-5;
constexpr double kLargest = 1e4;  // of a scale, and of a zero point's magnitude

class ClippingLayer : public LayerRounding {
 public:
  ClippingLayer(const LayerContext& layer, const OmniQuant::Options& options)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        own_grid_(options.own_range && OmniQuant::HasOwnGrid(layer.spec.grid)),
        groups_(layout_.Split(layer.weight)),
        range_(own_grid_ ? GroupRange{groups_.amin(1), groups_.amax(1)} : layer.range),
        low_logit_(at::full_like(range_.low, options.init).requires_grad_(true)),
        high_logit_(at::full_like(range_.high, options.init).requires_grad_(true)) {}

  std::vector<ParameterGroup> Parameters() override {
    return {{"clip", {low_logit_, high_logit_}, 1}};
  }

  at::Tensor SoftWeight() override {
    const AffineGrid grid = Grid();
    return layout_.Join(FakeQuant(groups_, {}, grid.scale, grid.zero, spec_.CodeMax()));
  }

  Latent Latents() const override { return OffsetLatent(groups_, {}, Grid(), spec_.CodeMax()); }

  Diagnostics Diagnose() const override {
    const at::Tensor low = low_logit_.detach().sigmoid();
    const at::Tensor high = high_logit_.detach().sigmoid();
    Diagnostics told = {{"clip_low_histogram", Histogram(low, 0, 1, 20)},
                        {"clip_high_histogram", Histogram(high, 0, 1, 20)},
                        {"clip_mean", {low.mean().item<double>(), high.mean().item<double>()}}};
    const at::NoGradGuard no_grad;
    const auto held = own_grid_ ? (Grid().scale >= kLargest).sum().item<std::int64_t>() : 0;
    if (held > 0) told["held_scales"] = {static_cast<double>(held)};
    return told;
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    return QuantizeAffine(groups_, {}, Grid(), layout_, spec_);
  }

 private:
  AffineGrid Grid() const {
    const GroupRange clipped{range_.low * low_logit_.sigmoid(),
                             range_.high * high_logit_.sigmoid()};
    if (!own_grid_) {
      QuantSpec wide = spec_;
      wide.scale_dtype = ScaleType::kFloat32;
      const at::Tensor scale = MakeGrid(clipped, wide).scale;
      return {scale.detach().sign() * CastScalePast(scale.abs(), spec_),
              MakeGrid(clipped, spec_).zero.detach()};
    }
    return spec_.grid == GridKind::kAsym ? OwnAsym(clipped) : OwnSym(clipped);
  }

  at::Tensor OwnScale(const at::Tensor& step) const {
    return CastScalePast(step.clamp(kLeastScale, kLargest), spec_);
  }
  AffineGrid OwnAsym(const GroupRange& clipped) const {
    const at::Tensor scale = OwnScale((clipped.high - clipped.low) / spec_.CodeMax());
    const at::Tensor zero = (-clipped.low / scale).detach().clamp(-kLargest, kLargest).round();
    return {scale, zero};
  }
  AffineGrid OwnSym(const GroupRange& clipped) const {
    const double middle = (spec_.CodeMax() + 1) / 2;
    const at::Tensor most = at::maximum(clipped.high.abs(), clipped.low.abs());
    return {OwnScale(most / (middle - 1)), at::full_like(most.detach(), middle)};
  }

  QuantSpec spec_;
  GroupLayout layout_;
  bool own_grid_;
  at::Tensor groups_;      // [groups, width], the weight
  GroupRange range_;       // before clipping
  at::Tensor low_logit_;   // [groups], beta of the paper
  at::Tensor high_logit_;  // [groups], gamma of the paper
};

}  // namespace

void OmniQuant::Options::Fields(FieldVisitor& f) {
  f.Real("init", &init, {}, "first value of both clipping parameters, inside the sigmoid");
  f.Bool("own_range", &own_range,
         "asym and sym_restricted grids: clip the groups' minimum and maximum, which need not have "
         "0 between them, as the reference does; false: clip the stage's range");
}

std::unique_ptr<LayerRounding> OmniQuant::Begin(const LayerContext& layer) const {
  return std::make_unique<ClippingLayer>(layer, options_);
}

}  // namespace roundlab
