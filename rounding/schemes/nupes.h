#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// NUPES (arXiv 2308.05600): a power grid (core/quant/power_grid.h) whose codes and exponent a are
/// learned. With p the position of a weight on the grid, d = clamp(p + V, -top, top) and V any
/// offset, so that a weight may reach every code and not two of them only,
///   soft code = floor(d) + step(d - floor(d)),
///   step(f) = (sigma(t (f - 1/2)) - sigma(-t/2)) / (sigma(t/2) - sigma(-t/2))
/// decoded by sign(c) top (|c| / top)^(1/a). The step's sharpness t grows from `sharpness` to
/// `sharpness_end` geometrically over the steps; in the end codes are round(d). V starts at 0, ln a
/// at that of PowerQuant's search.
///
/// There is no public code, and the paper leaves the soft step's form open: this one is ours.
/// Takes the grid power only. Diagnoses: exponent, offset_histogram, unconverged (part of the codes
/// whose step is between 0.1 and 0.9).
class Nupes : public RoundingScheme {
 public:
  struct Options {
    bool tune_offset = true;
    bool tune_exponent = true;
    double exponent_lr_factor = 1;
    double sharpness = 4;
    double sharpness_end = 100;
    void Fields(FieldVisitor& f);
  };
  explicit Nupes(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;
  /// The tuning is ours: the paper's optimizer and steps are for images.
  SchemeTraits Traits() const override {
    return {.tunable = options_.tune_offset || options_.tune_exponent,
            .straight_through = false,
            .any_device = true,
            .tuning = "optimizer: {type: adam, lr: 0.01}\n"};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = spec.grid == GridKind::kPower};
  }
  LayerTraits OnLayer(const LayerShape& /*layer*/) const override {
    return {.kept = 13, .kept_on_cpu = 0};
  }

 private:
  Options options_;
};

}  // namespace roundlab
