#include "rounding/schemes/rtn.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace roundlab {
namespace {

class FixedLayer : public LayerRounding {
 public:
  FixedLayer(QuantizedWeight weight, Diagnostics diagnostics)
      : weight_(std::move(weight)), diagnostics_(std::move(diagnostics)) {}
  std::vector<ParameterGroup> Parameters() override { return {}; }
  at::Tensor SoftWeight() override { return weight_.Dequantize(); }
  Diagnostics Diagnose() const override { return diagnostics_; }
  QuantizedWeight Finish() const override { return weight_; }

 private:
  QuantizedWeight weight_;
  Diagnostics diagnostics_;
};

}  // namespace

std::unique_ptr<LayerRounding> FixedRounding(QuantizedWeight weight, Diagnostics diagnostics) {
  return std::make_unique<FixedLayer>(std::move(weight), std::move(diagnostics));
}

void RtnRounding::Options::Fields(FieldVisitor& /*f*/) {}
RtnRounding::RtnRounding(const Options& /*options*/) {}

std::unique_ptr<LayerRounding> RtnRounding::Begin(const LayerContext& layer) const {
  const GroupLayout layout = layer.Layout();
  return FixedRounding(QuantizeAffine(layout.Split(layer.weight), {},
                                      MakeGrid(layer.range, layer.spec), layout, layer.spec));
}

void StochasticRounding::Options::Fields(FieldVisitor& /*f*/) {}
StochasticRounding::StochasticRounding(const Options& /*options*/) {}

std::unique_ptr<LayerRounding> StochasticRounding::Begin(const LayerContext& layer) const {
  const GroupLayout layout = layer.Layout();
  const AffineGrid grid = MakeGrid(layer.range, layer.spec);
  at::Generator generator = at::detail::createCPUGenerator(layer.seed);
  at::Tensor position = layout.Split(layer.weight) / grid.scale.unsqueeze(1);
  position.add_(
      at::rand(position.sizes(), generator, at::TensorOptions(at::kFloat)).to(position.device()));
  position.floor_().add_(grid.zero.unsqueeze(1)).clamp_(0, layer.spec.CodeMax());
  return FixedRounding(FromCodes(position, grid, layout, layer.spec));
}

}  // namespace roundlab
