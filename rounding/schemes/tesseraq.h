#pragma once

#include <cstdint>
#include <vector>

#include "rounding/scheme.h"

namespace roundlab {

/// TesseraQ (arXiv 2410.19103; ModelTC/LightCompress at 9701d03,
/// llmc/compression/quantization/tesseraq.py): AdaRound's soft weight, hardened stage by stage
/// instead of by a penalty, and a factor on each group's scale that acts on the decode alone,
///   w^ = 2 h(v) s (clamp(floor(w / s) + h(V) + z, 0, Q) - z)
///   h(x) = clamp(1.2 sigmoid(x) - 0.1, 0, 1)
/// with h(V) the fraction of w / s and v = 0 at first (factor 1).
/// The steps are cut into as many equal stages as there are `thresholds`. A stage begins by
/// freezing the weights of a layer whose |h(V) - 0.5| lies strictly above that quantile of all the
/// layer's (linear interpolation; frozen ones count as 0.5): V becomes +-infinity, and optimizers
/// start anew. After the last stage all others become V >= 0. asym grids take min and max without 0
/// between them, (max - min) at least 1e-5, and z clamped to [0, Q], as the reference does
/// (`own_range`; zeros that fill a last group count); sym grids, and asym ones with `own_range:
/// false`, are MakeGrid's on the stage's range, for instance that of a clip search, from which the
/// paper starts. With a start, the paper's other one being OmniQuant, s and z are the start's
/// whatever they are, and its codes are passed over: floor(w / s) and V are the unrounded weight's.
/// `scale_decay` is a term
///   scale_decay / 2 sum(v^2)
/// of the loss, which is Adam's weight decay where loss_scale is 1.
class TesseraQ : public RoundingScheme {
 public:
  struct Options {
    std::vector<double> thresholds = {0.75, 0.5, 0.375, 0.25, 0.125, 0.09, 0.06, 0.04, 0.02, 0.005};
    bool tune_scale = true;
    double scale_lr_factor = 1;
    double scale_decay = 1e-4;
    bool own_range = true;
    void Fields(FieldVisitor& f);
  };
  explicit TesseraQ(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  /// 250 steps for each of ten thresholds.
  SchemeTraits Traits() const override {
    return {.straight_through = false,
            .any_device = true,
            .needs = {.start = true},
            .tuning =
                "optimizer: {type: adam, lr: 0.0005}\nschedule: constant\n"
                "loss: sum_squares\nloss_scale: 1\nsteps: 2500\nbatch: 2\nselect: last\n"};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid),
            .own_range = options_.own_range && spec.grid == GridKind::kAsym};
  }
  LayerTraits OnLayer(const LayerShape& /*layer*/) const override { return {.kept = 3}; }

 private:
  Options options_;
};

}  // namespace roundlab
