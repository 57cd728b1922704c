#pragma once

#include "rounding/scheme.h"

namespace roundlab {

enum class BetaSchedule { kLinear, kCosine };

/// AdaRound (arXiv 2004.10568): floor(w / s) + h(V) with the rectified sigmoid
/// h(V) = clamp(sigmoid(V) 1.2 - 0.1, 0, 1), V starting where h(V) is the fraction of w / s, and
/// the penalty  reg_weight * sum(1 - |2 h(V) - 1|^beta). beta goes from beta_start to beta_end
/// after the warm-up, linearly (yhhhli/BRECQ) or as a cosine (quic/aimet). The grid stays fixed. A
/// final code is floor + 1 where V >= 0.
class AdaRound : public RoundingScheme {
 public:
  struct Options {
    double reg_weight = 0.01;
    double beta_start = 20;
    double beta_end = 2;
    double warmup = 0.2;
    BetaSchedule beta_schedule = BetaSchedule::kLinear;
    void Fields(FieldVisitor& f);
    double Beta(double progress) const;  ///< exponent at progress in [warmup, 1]
  };
  explicit AdaRound(const Options& options);
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  /// The paper's ten thousand steps; over blocks, as BRECQ, where the paper takes a layer at a time
  /// (`unit: linear`), and of the stage's batch, where both take 32 images.
  SchemeTraits Traits() const override {
    return {.straight_through = false,
            .any_device = true,
            .tuning =
                "optimizer: {type: adam, lr: 0.001}\nschedule: constant\n"
                "loss: sum_squares\nsteps: 10000\n"};
  }
  LayerTraits OnLayer(const LayerShape& /*layer*/) const override { return {.kept = 8}; }

 private:
  Options options_;
};

}  // namespace roundlab
