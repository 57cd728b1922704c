#pragma once

#include "rounding/stage.h"

namespace roundlab {

/// Layers without a bias: give them one, or leave them.
enum class MissingBias { kAdd, kSkip };

/// Takes the expected output error of rounding out of each layer's bias (Nagel et al. 2019, arXiv
/// 1906.04721, with measured in place of assumed inputs):
///   b <- b + (W - W^) E[x],   E over the calibration tokens
/// with x what the layer is fed behind all that is quantized, layers before it corrected already.
/// The artefact then carries the bias, also of layers that had none (missing: add).
class BiasCorrection : public Stage {
 public:
  struct Options {
    MissingBias missing = MissingBias::kAdd;
    void Fields(FieldVisitor& f);
  };
  explicit BiasCorrection(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kRepair; }
  StageNeeds Needs(const QuantOptions& quant) const override;
  bool AnyDevice() const override { return true; }
  bool FitsWeights() const override { return true; }
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
