#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// Rounds each group from left to right and adds `strength` times the error of a weight to the next
/// one before that is rounded, so that errors of neighbours cancel: e <- w + strength e - w^.
class ErrorDiffusion : public RoundingScheme {
 public:
  struct Options {
    double strength = 1;
    void Fields(FieldVisitor& f);
  };
  explicit ErrorDiffusion(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  bool Tunable() const override { return false; }

 private:
  Options options_;
};

}  // namespace roundlab
