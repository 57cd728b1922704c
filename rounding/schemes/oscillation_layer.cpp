#include "rounding/schemes/oscillation_layer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr double kOscillating = 0.005;  // frequency above which the paper counts a weight

double PartOf(const at::Tensor& mask) { return mask.to(at::kDouble).mean().item<double>(); }

class OscillationLayer : public LayerRounding {
 public:
  OscillationLayer(std::unique_ptr<LayerRounding> layer, const OscillationOptions& options)
      : layer_(std::move(layer)),
        options_(options),
        layout_(layer_->Finish().Layout()),
        tracker_(options, layer_->Latents().position) {}

  std::vector<ParameterGroup> Parameters() override { return layer_->Parameters(); }

  at::Tensor SoftWeight() override {
    const at::Tensor soft = layer_->SoftWeight();
    const AffineGrid grid = layer_->Latents().grid;
    const at::Tensor fixed =
        grid.scale.to(at::kFloat).unsqueeze(1) * (tracker_.FrozenCodes() - grid.zero.unsqueeze(1));
    return at::where(layout_.Join(tracker_.Frozen()), layout_.Join(fixed).to(soft.scalar_type()),
                     soft);
  }

  at::Tensor Penalty(double progress) override {
    const at::Tensor own = layer_->Penalty(progress);
    const double weight = options_.DampenWeight(progress);
    if (weight == 0) return own;
    const Latent latent = layer_->Latents();
    const at::Tensor scale = latent.grid.scale.to(at::kFloat).unsqueeze(1);
    const at::Tensor zero = latent.grid.zero.unsqueeze(1);
    const at::Tensor rounded = scale * (FixedCodes() - zero);
    const at::Tensor clipped = latent.position.clamp(0, latent.code_max);
    const at::Tensor damp =
        weight * DampeningLoss(layout_.Join(scale * (clipped - zero)), layout_.Join(rounded),
                               options_.dampen_reduction);
    return own.defined() ? own + damp : damp;
  }

  bool Project(double progress) override {
    const bool anew = layer_->Project(progress);
    tracker_.Track(FixedCodes(), options_.FreezeThreshold(progress));
    return anew;
  }

  std::vector<at::Tensor> State() override {
    std::vector<at::Tensor> state = layer_->State();
    for (at::Tensor& t : tracker_.State()) state.push_back(std::move(t));
    return state;
  }

  Diagnostics Diagnose() const override {
    Diagnostics d = layer_->Diagnose();
    d["oscillating"] = {PartOf(layout_.Join(tracker_.Frequency() > kOscillating))};
    d["frozen"] = {PartOf(layout_.Join(tracker_.Frozen()))};
    return d;
  }

  QuantizedWeight Finish() const override {
    QuantizedWeight weight = layer_->Finish();
    weight.codes = layout_.Join(FixedCodes().to(at::kByte)).contiguous();
    return weight;
  }

 private:
  /// Codes [groups, width] float32 as they run: rounded ones, or what frozen ones are fixed at.
  at::Tensor FixedCodes() const {
    const at::NoGradGuard no_grad;
    return tracker_.Fix(layout_.Split(layer_->Finish().codes.to(at::kFloat)));
  }

  std::unique_ptr<LayerRounding> layer_;
  OscillationOptions options_;
  GroupLayout layout_;
  OscillationTracker tracker_;
};

}  // namespace

std::unique_ptr<LayerRounding> WithOscillation(std::unique_ptr<LayerRounding> layer,
                                               const OscillationOptions& options) {
  if (!layer->Latents().position.defined()) {
    throw Error(
        "oscillation: the scheme does not say what it rounds (LayerRounding::Latents), so that its "
        "codes can't be held");
  }
  return std::make_unique<OscillationLayer>(std::move(layer), options);
}

}  // namespace roundlab
