#include "rounding/schemes/nupes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/quant/power_grid.h"
#include "rounding/schemes/histogram.h"
#include "rounding/schemes/powerquant.h"

namespace roundlab {
namespace {

constexpr double kLeastPart = 1e-6;
constexpr double kLeastExponent = 0.05;
constexpr double kLargestExponent = 4;

class NupesLayer : public LayerRounding {
 public:
  NupesLayer(const LayerContext& layer, const Nupes::Options& options)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        grid_(MakeGrid(layer.range, layer.spec)),
        options_(options),
        top_(PowerTop(layer.spec.bits)) {
    grid_.scale = grid_.scale.to(at::kFloat);
    const at::Tensor groups = layout_.Split(layer.weight);
    part_ = groups / (grid_.scale * top_).unsqueeze(1);
    const double exponent = BestExponent(groups, grid_.scale, spec_.bits);
    log_exponent_ = at::full({1}, std::log(exponent), part_.options());
    log_exponent_.requires_grad_(options_.tune_exponent);
    offset_ = at::zeros_like(part_).requires_grad_(options_.tune_offset);
    sharpness_ = at::full({1}, options_.sharpness, part_.options());
  }

  std::vector<ParameterGroup> Parameters() override {
    std::vector<ParameterGroup> groups;
    if (options_.tune_offset) groups.push_back({"offset", {offset_}, 1});
    if (options_.tune_exponent) {
      groups.push_back({"exponent", {log_exponent_}, options_.exponent_lr_factor});
    }
    return groups;
  }

  at::Tensor SoftWeight() override {
    const at::Tensor exponent = log_exponent_.exp();
    const at::Tensor d = Positions(exponent);
    const at::Tensor floor = d.detach().floor();
    const at::Tensor code = floor + SoftStep(d - floor, sharpness_);
    const at::Tensor value = SignedPower(code / top_, exponent.reciprocal());
    return layout_.Join((grid_.scale * top_).unsqueeze(1) * value);
  }

  bool Project(double progress) override {
    const at::NoGradGuard no_grad;
    log_exponent_.clamp_(std::log(kLeastExponent), std::log(kLargestExponent));
    sharpness_.fill_(options_.sharpness *
                     std::pow(options_.sharpness_end / options_.sharpness, progress));
    return false;
  }

  std::vector<at::Tensor> State() override { return {sharpness_}; }

  Diagnostics Diagnose() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor d = layout_.Join(Positions(log_exponent_.exp()));
    const at::Tensor step = SoftStep(d - d.floor(), sharpness_);
    const at::Tensor open = at::logical_and(step > 0.1, step < 0.9);
    return {{"exponent", {log_exponent_.exp().item<double>()}},
            {"offset_histogram", Histogram(layout_.Join(offset_).abs(), 0, 2, 20)},
            {"unconverged", {open.to(at::kDouble).mean().item<double>()}}};
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor exponent = log_exponent_.exp();
    const at::Tensor codes = Positions(exponent).round_() + (top_ + 1);
    QuantizedWeight rounded = FromCodes(codes, grid_, layout_, spec_);
    rounded.exponent = exponent.clone();
    return rounded;
  }

 private:
  /// [groups, width] in +-top.
  at::Tensor Positions(const at::Tensor& exponent) const {
    return (SignedPower(part_, exponent) * top_ + offset_).clamp(-top_, top_);
  }

  QuantSpec spec_;
  GroupLayout layout_;
  AffineGrid grid_;
  Nupes::Options options_;
  double top_;
  at::Tensor part_;          // [groups, width], w / (top scale)
  at::Tensor offset_;        // [groups, width], V
  at::Tensor log_exponent_;  // [1], ln a
  at::Tensor sharpness_;     // [1], t
};

}  // namespace

at::Tensor SignedPower(const at::Tensor& x, const at::Tensor& power) {
  const at::Tensor grown = (x.abs().clamp_min(kLeastPart).log() * power).exp();
  return x.sign() * at::where(x.abs() < kLeastPart, at::zeros_like(grown), grown);
}

at::Tensor SoftStep(const at::Tensor& fraction, const at::Tensor& sharpness) {
  const at::Tensor low = (-sharpness / 2).sigmoid();
  return ((sharpness * (fraction - 0.5)).sigmoid() - low) / (1 - 2 * low);
}

void Nupes::Options::Fields(FieldVisitor& f) {
  f.Bool("tune_offset", &tune_offset, "learn where on the grid each weight is rounded from");
  f.Bool("tune_exponent", &tune_exponent, "learn the layer's exponent");
  f.UsedIf(tune_exponent, "without tune_exponent", [this](FieldVisitor& exponent) {
    exponent.Real("exponent_lr_factor", &exponent_lr_factor, Above(0),
                  "learning rate of the exponent's logarithm, over that of the offsets");
  });
  f.Real("sharpness", &sharpness, Above(0), "of the soft step from code to code, at first");
  f.Real("sharpness_end", &sharpness_end, Above(0), "the same at the last step");
}

std::unique_ptr<LayerRounding> Nupes::Begin(const LayerContext& layer) const {
  return std::make_unique<NupesLayer>(layer, options_);
}

}  // namespace roundlab
