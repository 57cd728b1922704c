#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// FlexRound (arXiv 2306.00317, equation 2; onliwad101/FlexRound_LRQ at 59d4665,
/// quant/UniformAffineQuantizer.py, mode flexround): rounding after a learned element-wise
/// division,
///   w^ = s1 (clamp(round(w / (s1 S2 s3)) + z, 0, 2^b - 1) - z)
/// with S2 [out, in] and s3 [out, 1] starting at 1, s1 at the scale of the range, all tuned as
/// logarithms; gradients pass straight through round, and S2's grows with the weight, so that large
/// weights move by several codes. The reference has one scale a row; here s1 is one a group and s3
/// stays one a row. It starts from the min-max range, or, with its `clipping`, from that of range
/// estimator `mse_2d`. Being an exponential, the first s1 is the range's scale but for a rounding.
class FlexRound : public RoundingScheme {
 public:
  struct Options {
    bool tune_scale = true;
    bool tune_row = true;
    void Fields(FieldVisitor& f);
  };
  explicit FlexRound(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  /// Tuned as Llama 2 7B.
  SchemeTraits Traits() const override {
    return {.tells_latents = true,
            .any_device = true,
            .tuning =
                "optimizer: {type: adam, lr: 0.003}\nschedule: cosine\nloss: sum_tokens\n"
                "steps: 5000\nbatch: 2\nselect: last\n"};
  }
  LayerTraits OnLayer(const LayerShape& /*layer*/) const override { return {.kept = 5}; }

 private:
  Options options_;
};

}  // namespace roundlab
