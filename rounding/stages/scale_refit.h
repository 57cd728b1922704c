#pragma once

#include "rounding/stage.h"

namespace roundlab {

/// By what a weight's error counts.
enum class RefitWeights {
  kNone,    ///< all alike
  kInputs,  ///< by the second moment of the layer's inputs, within each group
};

/// Least-squares scales for codes that are chosen: with d = code - zero of a group (on a power
/// grid, what its codes stand for),
///   s = <w, d>_H / <d, d>_H,   <a, b>_H = a^T H b
/// H the identity or the group's own block of sum x x^T (GPTQ's error, what groups say to each
/// other left out); for one group of all weights H itself, row by row; of a group down a column H
/// is one number, which makes no difference. Codes and zero points stay. Groups whose d or H is 0
/// keep their scale. Scales are rounded to quant.scale_dtype and kept only where they do not raise
/// the group's error and are no less than the least scale (ScaleLimits).
class ScaleRefit : public Stage {
 public:
  struct Options {
    RefitWeights weights = RefitWeights::kNone;
    void Fields(FieldVisitor& f);
  };
  explicit ScaleRefit(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kRepair; }
  double WorkingBytes(const BlockPlan& block) const override;
  Work WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t samples,
              std::int64_t seqlen) const override;
  StageNeeds Needs(const QuantOptions& quant) const override;
  bool WantsGrid() const override { return true; }
  bool AnyDevice() const override { return true; }
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

/// The refitted scales [groups] of groups of weights and d = code - zero, both [groups, width];
/// moments: [groups_a_row, width, width] or undefined, of group i the (i % groups_a_row)-th; of one
/// group of all rows [1, in, in].
at::Tensor RefitScales(const at::Tensor& groups, const at::Tensor& distance,
                       const at::Tensor& scale, const at::Tensor& moments, ScaleType type);

}  // namespace roundlab
