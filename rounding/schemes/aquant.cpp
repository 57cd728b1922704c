#include "rounding/schemes/aquant.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/kernels/ops.h"
#include "core/quant/border.h"
#include "rounding/schemes/histogram.h"

namespace roundlab {
namespace {

class BorderLayer : public LayerRounding {
 public:
  BorderLayer(const LayerContext& layer, bool quadratic)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        quadratic_(quadratic),
        grid_(MakeGrid(layer.range, layer.spec)) {
    grid_.scale = grid_.scale.to(at::kFloat);
    position_ = layout_.Split(layer.weight) / grid_.scale.unsqueeze(1);
    zeros_ = at::zeros_like(position_);
    b0_ = at::zeros({layout_.Count(), 1}, position_.options()).requires_grad_(true);
    b1_ = at::zeros_like(b0_).requires_grad_(quadratic);
    b2_ = at::zeros_like(b0_).requires_grad_(quadratic);
  }

  std::vector<ParameterGroup> Parameters() override {
    if (!quadratic_) return {{"border", {b0_}, 1}};
    return {{"border", {b0_, b1_, b2_}, 1}};
  }

  at::Tensor SoftWeight() override {
    // Whole positions come in as the offset of weights that are zero.
    const at::Tensor rounded = RoundAtBorder(position_, Border());
    return layout_.Join(FakeQuant(zeros_, rounded, grid_.scale, grid_.zero, spec_.CodeMax()));
  }

  /// Up is what is above the border, so half a step further.
  Latent Latents() const override {
    return {position_ - Border() + 0.5 + grid_.zero.unsqueeze(1), grid_, spec_.CodeMax()};
  }

  Diagnostics Diagnose() const override {
    const at::NoGradGuard no_grad;
    return {{"border_histogram", Histogram(Border(), 0, 1, 20)}};
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor codes = (position_ - Border()).ceil_().add_(grid_.zero.unsqueeze(1));
    return FromCodes(codes.clamp_(0, spec_.CodeMax()), grid_, layout_, spec_);
  }

 private:
  at::Tensor Border() const { return QuadraticBorder(position_, b0_, b1_, b2_); }

  QuantSpec spec_;
  GroupLayout layout_;
  bool quadratic_;
  AffineGrid grid_;
  at::Tensor position_;  // [groups, width], w / s
  at::Tensor zeros_;     // [groups, width]
  at::Tensor b0_;        // [groups, 1], as b1_ and b2_
  at::Tensor b1_;
  at::Tensor b2_;
};

}  // namespace

void AQuant::Options::Fields(FieldVisitor& f) {
  f.Bool("quadratic", &quadratic, "let the border depend on the weight; false: one a group");
}

std::unique_ptr<LayerRounding> AQuant::Begin(const LayerContext& layer) const {
  return std::make_unique<BorderLayer>(layer, options_.quadratic);
}

}  // namespace roundlab
