#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// Rounds up with the probability of the fraction: code = clamp(floor(w / s + u) + z), u uniform in
/// [0, 1). Unbiased and worse than nearest: the sanity baseline that any learned rounding must
/// beat.
class StochasticRounding : public RoundingScheme {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit StochasticRounding(const Options& options);
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override {
    return {.tunable = false, .any_device = true, .draws = true};
  }
};

}  // namespace roundlab
