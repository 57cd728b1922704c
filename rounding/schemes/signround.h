#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// SignRound (arXiv 2309.05516, equations 2 to 4; intel/auto-round at cfc4169e9). With the group's
/// range (low, high) and tuned factors alpha_low, alpha_high in [0, 1] and offsets V, all starting
/// at round to nearest (V = 0, alpha = 1):
///   s, z = MakeGrid(alpha_low low, alpha_high high)
///   code = clamp(round(w / s + V) + z, 0, 2^b - 1)
/// Gradients pass straight through both rounds, so they reach V and, through s and z, alpha.
/// Meant for sign_sgd with lr = 1 / steps, which alone bounds |V| by 0.5; `offset_clamp` adds the
/// box of the paper's text. With a start (StartingPointOf) its grid is the range and its codes are
/// the first ones; that needs V, without a box.
class SignRound : public RoundingScheme {
 public:
  struct Options {
    bool tune_offset = true;
    bool tune_range = true;
    double offset_clamp = 0;
    double range_lr_factor = 1;
    void Fields(FieldVisitor& f);
  };
  explicit SignRound(const Options& options);
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override {
    return {.tunable = options_.tune_offset || options_.tune_range,
            .tells_latents = true,
            .any_device = true,
            .needs = {.start = options_.tune_offset && options_.offset_clamp == 0}};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid), .steps_in_backward = PlainGrid(spec).has_value()};
  }

 private:
  Options options_;
};

}  // namespace roundlab
