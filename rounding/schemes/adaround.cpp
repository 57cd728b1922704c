#include "rounding/schemes/adaround.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "rounding/schemes/histogram.h"

namespace roundlab {
namespace {

class AdaRoundLayer : public LayerRounding {
 public:
  AdaRoundLayer(const LayerContext& layer, const AdaRound::Options& options)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        grid_(MakeGrid(layer.range, layer.spec)),
        options_(options) {
    const at::Tensor position = layout_.Split(layer.weight) / grid_.scale.unsqueeze(1);
    floor_ = position.floor();
    const at::Tensor fraction = position - floor_;
    logit_ = reference::RectifiedLogit(fraction);
    logit_.requires_grad_(true);
  }

  std::vector<ParameterGroup> Parameters() override { return {{"logit", {logit_}, 1}}; }

  at::Tensor SoftWeight() override {
    return layout_.Join(AdaRoundWeight(floor_, logit_, grid_.scale, grid_.zero, spec_.CodeMax()));
  }

  at::Tensor Penalty(double progress) override {
    if (progress < options_.warmup || options_.reg_weight == 0) return {};
    return AdaRoundRegularizer(logit_, options_.Beta(progress), options_.reg_weight);
  }

  Diagnostics Diagnose() const override {
    const at::Tensor h = reference::RectifiedSigmoid(layout_.Join(logit_.detach()));
    const at::Tensor open = ((h - 0.5).abs() < 0.4).to(at::kDouble);
    return {{"unconverged", {open.mean().item<double>()}},
            {"soft_histogram", Histogram(h, 0, 1, 20)}};
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor up = (logit_ >= 0).to(at::kFloat);
    const at::Tensor codes = (floor_ + up).add_(grid_.zero.unsqueeze(1)).clamp_(0, spec_.CodeMax());
    return FromCodes(codes, grid_, layout_, spec_);
  }

 private:
  QuantSpec spec_;
  GroupLayout layout_;
  AffineGrid grid_;
  AdaRound::Options options_;
  at::Tensor floor_;  // [groups, width], floor(w / s)
  at::Tensor logit_;  // [groups, width], V of the paper
};

const EnumNames<BetaSchedule> kBetaSchedules = {{BetaSchedule::kLinear, "linear"},
                                                {BetaSchedule::kCosine, "cosine"}};

}  // namespace

void AdaRound::Options::Fields(FieldVisitor& f) {
  f.Real("reg_weight", &reg_weight, AtLeast(0), "weight of the rounding penalty in the loss");
  f.UsedIf(reg_weight > 0, "with reg_weight: 0", [this](FieldVisitor& penalty) {
    penalty.Real("beta_start", &beta_start, Above(0), "penalty exponent after warm-up");
    penalty.Real("beta_end", &beta_end, Above(0), "penalty exponent at the last step");
    penalty.Real("warmup", &warmup, Between(0, 0.99), "part of the steps without penalty");
    EnumField schedule_field(&beta_schedule, kBetaSchedules);
    penalty.Value("beta_schedule", schedule_field, "way from beta_start to beta_end");
  });
}

double AdaRound::Options::Beta(double progress) const {
  const double t = (progress - warmup) / (1 - warmup);
  const double left = beta_schedule == BetaSchedule::kLinear ? std::max(0.0, 1 - t)
                                                             : 0.5 * (1 + std::cos(t * M_PI));
  return beta_end + (beta_start - beta_end) * left;
}

AdaRound::AdaRound(const Options& options) : options_(options) {}

std::unique_ptr<LayerRounding> AdaRound::Begin(const LayerContext& layer) const {
  return std::make_unique<AdaRoundLayer>(layer, options_);
}

}  // namespace roundlab
