#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// PowerQuant (arXiv 2301.09858), which needs no data: round to nearest on a power grid
/// (core/quant/power_grid.h), whose exponent is that of least
///   sum (w - w^)^2
/// over the layer (the paper has one for a layer or one for the network). The sum has many small
/// dips: it is looked at from 0.2 to 1 in steps of 1/40, and twice more around the best in steps of
/// a tenth. There is no public code; the paper names golden section and Nelder-Mead, which end in
/// one of the dips. `exponent` above 0 takes that one.
///
/// Takes the grid power only. Diagnoses: exponent.
class PowerQuant : public RoundingScheme {
 public:
  struct Options {
    double exponent = 0;
    void Fields(FieldVisitor& f);
  };
  explicit PowerQuant(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;
  SchemeTraits Traits() const override { return {.tunable = false}; }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = spec.grid == GridKind::kPower};
  }

 private:
  Options options_;
};

}  // namespace roundlab
