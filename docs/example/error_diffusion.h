#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// Rounds each row of a group from left to right and adds `strength` times the error of a weight to
/// the next one, so that errors of neighbours cancel: e <- w + strength e - w^.
class ErrorDiffusion : public RoundingScheme {
 public:
  struct Options {
    double strength = 1;
    void Fields(FieldVisitor& f);
  };
  explicit ErrorDiffusion(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override { return {.tunable = false}; }

 private:
  Options options_;
};

}  // namespace roundlab
