#include "rounding/schemes/nupes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/kernels/soft_power.h"
#include "core/quant/power_grid.h"
#include "rounding/schemes/histogram.h"
#include "rounding/solvers/power_exponent.h"

namespace roundlab {
namespace {

constexpr double kLeastExponent = 0.05;
constexpr double kLargestExponent = 4;

class NupesLayer : public LayerRounding {
 public:
  NupesLayer(const LayerContext& layer, const Nupes::Options& options)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        grid_(MakeGrid(layer.range, layer.spec)),
        options_(options) {
    grid_.scale = grid_.scale.to(at::kFloat);
    const at::Tensor groups = layout_.Split(layer.weight);
    groups_ = {groups / PowerSize(grid_.scale, spec_.bits), grid_.scale, PowerTop(spec_.bits)};
    const double exponent = BestExponent(groups, grid_.scale, spec_.bits);
    log_exponent_ = at::full({1}, std::log(exponent), groups_.part.options());
    log_exponent_.requires_grad_(options_.tune_exponent);
    offset_ = at::zeros_like(groups_.part).requires_grad_(options_.tune_offset);
    sharpness_ = at::full({1}, options_.sharpness, groups_.part.options());
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
    return layout_.Join(SoftPowerWeight(groups_, offset_, log_exponent_, sharpness_));
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
    const at::Tensor d = layout_.Join(Positions());
    const at::Tensor step = SoftStep(d - d.floor(), sharpness_);
    const at::Tensor open = at::logical_and(step > 0.1, step < 0.9);
    return {{"exponent", {log_exponent_.exp().item<double>()}},
            {"offset_histogram", Histogram(layout_.Join(offset_).abs(), 0, 2, 20)},
            {"unconverged", {open.to(at::kDouble).mean().item<double>()}}};
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor codes = Positions().round_() + (groups_.top + 1);
    QuantizedWeight rounded = FromCodes(codes, grid_, layout_, spec_);
    rounded.exponent = log_exponent_.exp();
    return rounded;
  }

 private:
  at::Tensor Positions() const { return SoftPosition(groups_, offset_, log_exponent_.exp()); }

  QuantSpec spec_;
  GroupLayout layout_;
  AffineGrid grid_;
  Nupes::Options options_;
  PowerGroups groups_;
  at::Tensor offset_;        // [groups, width], V
  at::Tensor log_exponent_;  // [1], ln a
  at::Tensor sharpness_;     // [1], t
};

}  // namespace

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

Work Nupes::WorkOn(const LayerShape& layer) const { return ExponentWork(layer.Weights()); }

std::unique_ptr<LayerRounding> Nupes::Begin(const LayerContext& layer) const {
  return std::make_unique<NupesLayer>(layer, options_);
}

}  // namespace roundlab
