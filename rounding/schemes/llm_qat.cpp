#include "rounding/schemes/llm_qat.h"

#include <ATen/ATen.h>

namespace roundlab {
namespace {

class LlmQatLayer : public LayerRounding {
 public:
  explicit LlmQatLayer(const LayerContext& layer)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        original_(layer.weight),
        weight_(layer.weight.detach().clone().requires_grad_(true)) {}

  std::vector<ParameterGroup> Parameters() override { return {{"weight", {weight_}, 1}}; }

  at::Tensor SoftWeight() override {
    // A -0, which changes no bit, with W's gradient.
    return Finish().Dequantize() - (weight_.detach() - weight_);
  }

  Diagnostics Diagnose() const override {
    const at::Tensor drift = (weight_.detach() - original_).to(at::kDouble);
    const double size = original_.norm(2, at::kDouble).item<double>();
    return {{"weight_drift", {size > 0 ? drift.norm().item<double>() / size : 0}}};
  }

  QuantizedWeight Finish() const override { return RoundToNearest(weight_, spec_); }

 private:
  QuantSpec spec_;
  GroupLayout layout_;
  at::Tensor original_;
  at::Tensor weight_;
};

}  // namespace

void LlmQat::Options::Fields(FieldVisitor& /*f*/) {}
LlmQat::LlmQat(const Options& /*options*/) {}

std::unique_ptr<LayerRounding> LlmQat::Begin(const LayerContext& layer) const {
  return std::make_unique<LlmQatLayer>(layer);
}

}  // namespace roundlab
