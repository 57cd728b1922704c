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
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override { return {.tunable = false, .any_device = true}; }
};

}  // namespace roundlab
