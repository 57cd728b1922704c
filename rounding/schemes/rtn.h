#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// Round to nearest, ties to even: code = clamp(round(w / s) + z, 0, 2^bits - 1). Nothing to tune.
class RtnRounding : public RoundingScheme {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit RtnRounding(const Options& options);
  bool AnyDevice() const override { return true; }
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  bool Tunable() const override { return false; }
};

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

/// A layer whose codes are decided already, and what is to be said of it.
std::unique_ptr<LayerRounding> FixedRounding(QuantizedWeight weight, Diagnostics diagnostics = {});

}  // namespace roundlab
