#include <ATen/ATen.h>

#include "core/base/plugin.h"
#include "rounding/scheme.h"

namespace {

using namespace roundlab;

/// Rounds every weight toward zero: code = trunc(w / s) + z.
class TowardZero : public RoundingScheme {
 public:
  struct Options {
    void Fields(FieldVisitor& /*f*/) {}
  };
  explicit TowardZero(const Options& /*options*/) {}
  SchemeTraits Traits() const override { return {.tunable = false}; }

  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override {
    const GroupLayout layout = layer.Layout();
    const AffineGrid grid = MakeGrid(layer.range, layer.spec);
    const at::Tensor position = layout.Split(layer.weight) / grid.scale.unsqueeze(1);
    const at::Tensor codes =
        (position.trunc() + grid.zero.unsqueeze(1)).clamp(0, layer.spec.CodeMax());
    return FixedRounding(FromCodes(codes, grid, layout, layer.spec));
  }
};

void AddParts() { RoundingSchemes().Add<TowardZero>("toward_zero", "cut off, not rounded"); }

}  // namespace

ROUNDLAB_PLUGIN(AddParts)
