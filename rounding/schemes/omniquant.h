#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// Learnable weight clipping of OmniQuant (arXiv 2308.13137, equation 2; OpenGVLab/OmniQuant at
/// 95fae1b, quantize/quantizer.py). Each group's range is clipped by sigmoids of two parameters:
///   high = sigmoid(gamma) max(W), low = sigmoid(beta) min(W),   gamma = beta = `init` at first
///   s = clamp((high - low) / Q, 1e-5, 1e4),   z = round(clamp(-low / s, -1e4, 1e4))
///   w^ = s (clamp(round(w / s) + z, 0, Q) - z)
/// Straight through round for weights; z passes no gradient, so that both parameters learn through
/// s alone. min and max do not take in 0, and z may lie outside [0, Q]: both as in the reference
/// (`own_range`; of a last group that is not full 0 counts, since zeros fill it). Its symmetric
/// quantizer is grid sym_restricted (`own_range` again):
///   s = clamp(max(|high|, |low|) / (2^(b-1) - 1), 1e-5, 1e4),   z = 2^(b-1)
/// codes from -2^(b-1), as the reference has it where it stores no zero points
/// (disable_zero_point). With those its z is 2^(b-1) - 1, so that the code to spare lies above and
/// not below: none of our symmetric grids has that.
/// Where we differ: s is rounded to spec.scale_dtype and floored as MakeGrid does; sym and sym_full
/// are those of MakeGrid, on the clipped range; with `own_range: false` so are the others, on the
/// stage's range.
///
/// Diagnoses: clip_low_histogram and clip_high_histogram (of the sigmoids, in 20 bins), clip_mean
/// (of both), and, where there are any, held_scales (number of scales that end at 1e4).
///
/// The other half of OmniQuant, the learnable equivalent transformation, is no rounding.
class OmniQuant : public RoundingScheme {
 public:
  struct Options {
    double init = 4;
    bool own_range = true;
    void Fields(FieldVisitor& f);
  };
  explicit OmniQuant(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  /// 20 epochs of 128 rows (the reference takes 40 at 2 bits).
  SchemeTraits Traits() const override {
    return {.tells_latents = true,
            .any_device = true,
            .tuning =
                "optimizer: {type: adamw, lr: 0.01, weight_decay: 0}\nschedule: constant\n"
                "steps: 2560\nbatch: 1\nsampler: in_order\nselect: last\n"};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid),
            .own_range = options_.own_range && HasOwnGrid(spec.grid)};
  }
  /// Whether `own_range` makes another grid of such a kind than MakeGrid does.
  static bool HasOwnGrid(GridKind grid) {
    return grid == GridKind::kAsym || grid == GridKind::kSymRestricted;
  }
  LayerTraits OnLayer(const LayerShape& layer) const override {
    return {.trained = 2 / layer.GroupWidth(), .kept = 0.75};
  }

 private:
  Options options_;
};

}  // namespace roundlab
