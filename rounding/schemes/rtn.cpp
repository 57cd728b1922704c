#include "rounding/schemes/rtn.h"

#include <ATen/ATen.h>

namespace roundlab {

void RtnRounding::Options::Fields(FieldVisitor& /*f*/) {}
RtnRounding::RtnRounding(const Options& /*options*/) {}

std::unique_ptr<LayerRounding> RtnRounding::Begin(const LayerContext& layer) const {
  const GroupLayout layout = layer.Layout();
  return FixedRounding(QuantizeAffine(layout.Split(layer.weight), {},
                                      MakeGrid(layer.range, layer.spec), layout, layer.spec));
}

}  // namespace roundlab
