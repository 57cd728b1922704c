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
  bool AnyDevice() const override { return true; }
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  bool Tunable() const override { return false; }
  bool UsesSeed() const override { return true; }
};

}  // namespace roundlab
