#include "rounding/schemes/learned_division.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "core/kernels/ops.h"
#include "rounding/schemes/histogram.h"

namespace roundlab {
namespace {

constexpr double kDivisionHistogramTop = 0.1;

/// exp and log of float32, rounded once: in float32 their last bit is the machine's, and with
/// weights of few bits, which lie on ties of the grid, it decides codes.
at::Tensor Exp(const at::Tensor& x) { return x.to(at::kDouble).exp().to(at::kFloat); }
at::Tensor Log(const at::Tensor& x) { return x.to(at::kDouble).log().to(at::kFloat); }

class DivisionLayer : public LayerRounding {
 public:
  DivisionLayer(const LayerContext& layer, bool tune_scale, DivisionExponent exponent)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        tune_scale_(tune_scale),
        exponent_(std::move(exponent)),
        groups_(layout_.Split(layer.weight)),
        zeros_(at::zeros_like(groups_)) {
    const AffineGrid grid = MakeGrid(layer.range, layer.spec);
    const at::Tensor scale = grid.scale.to(at::kFloat);
    sign_ = scale.sign();
    zero_ = grid.zero;
    first_log_scale_ = Log(scale.abs());
    log_scale_ = first_log_scale_.clone();
    if (tune_scale_) log_scale_.requires_grad_(true);
  }

  std::vector<ParameterGroup> Parameters() override {
    std::vector<ParameterGroup> all;
    if (tune_scale_) all.push_back({"log_scale", {log_scale_}, 1});
    all.insert(all.end(), exponent_.parameters.begin(), exponent_.parameters.end());
    return all;
  }

  at::Tensor SoftWeight() override {
    // The position is not w / s, so it comes in as the offset of weights that are zero.
    return layout_.Join(FakeQuant(zeros_, Position(), Scale(), zero_, spec_.CodeMax()));
  }

  Latent Latents() const override {
    return {Position() + zero_.unsqueeze(1), {Scale(), zero_}, spec_.CodeMax()};
  }

  Diagnostics Diagnose() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor exponent = exponent_.add(layout_.Join(at::zeros_like(groups_)));
    const auto histogram = [](const at::Tensor& values) {
      return Histogram(values, -kDivisionHistogramTop, kDivisionHistogramTop, 20);
    };
    return {{"division_mean_abs", {exponent.abs().mean().item<double>()}},
            {"division_histogram", histogram(exponent)},
            {"log_scale_histogram", histogram(log_scale_ - first_log_scale_)}};
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor codes = Position().round_().add_(zero_.unsqueeze(1));
    return FromCodes(codes.clamp_(0, spec_.CodeMax()), {Scale(), zero_}, layout_, spec_);
  }

 private:
  /// s1 of the formula, as spec.scale_dtype has it.
  at::Tensor Scale() const { return sign_ * CastScalePast(Exp(log_scale_), spec_); }
  at::Tensor Position() const {
    const at::Tensor start = layout_.Join(log_scale_.unsqueeze(1).expand_as(groups_));
    return groups_ / (sign_.unsqueeze(1) * Exp(layout_.Split(exponent_.add(start))));
  }

  QuantSpec spec_;
  GroupLayout layout_;
  bool tune_scale_;
  DivisionExponent exponent_;
  at::Tensor groups_;     // [groups, width], the weight
  at::Tensor zeros_;      // [groups, width]
  at::Tensor sign_;       // [groups], of s
  at::Tensor zero_;       // [groups]
  at::Tensor log_scale_;  // [groups], d1 of the formula
  at::Tensor first_log_scale_;
};

}  // namespace

std::unique_ptr<LayerRounding> DivisionRounding(const LayerContext& layer, bool tune_scale,
                                                DivisionExponent exponent) {
  return std::make_unique<DivisionLayer>(layer, tune_scale, std::move(exponent));
}

DivisionExponent ElementwiseExponent(const LayerContext& layer, bool tune_row) {
  const at::Tensor element = at::zeros_like(layer.weight).requires_grad_(true);
  DivisionExponent exponent;
  exponent.parameters = {{"log_element", {element}, 1}};
  if (!tune_row) {
    exponent.add = [element](const at::Tensor& start) { return start + element; };
    return exponent;
  }
  const at::Tensor row =
      at::zeros({layer.weight.size(0), 1}, layer.weight.options()).requires_grad_(true);
  exponent.parameters.push_back({"log_row", {row}, 1});
  exponent.add = [element, row](const at::Tensor& start) { return start + element + row; };
  return exponent;
}

}  // namespace roundlab
