#pragma once

#include <cstdint>

#include "rounding/scheme.h"
#include "rounding/solvers/hqq.h"

namespace roundlab {

/// When HQQ's iterations start from an integer zero point.
enum class RoundZero { kAtFourBits, kAlways, kNever };

/// HQQ (mobiusml/hqq 0.2.8) as SolveHqq has it; needs no data. The zero points are real: it takes
/// the grid float_zero only, and the range of the weights themselves (minmax), not widened to 0.
/// Groups lie along the input (axis 1) or, with axis 0, down the output as GroupLayout::Down has
/// them, which must fill the matrix. Where group_size does not divide a row, the narrower last
/// groups are solved by themselves; the package refuses that. round_zero is the package's: an
/// integer start at 4 bits.
///
/// Diagnoses: mean_error (mean |w - w^| before each iteration).
class Hqq : public RoundingScheme {
 public:
  struct Options {
    HqqSettings settings;
    RoundZero round_zero = RoundZero::kAtFourBits;
    std::int64_t axis = 1;
    void Fields(FieldVisitor& f);
  };
  explicit Hqq(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;
  SchemeTraits Traits() const override { return {.tunable = false, .any_device = true}; }
  LayerTraits OnLayer(const LayerShape& layer) const override {
    return {.working_bytes = 7 * sizeof(float) * layer.Weights()};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = spec.grid == GridKind::kFloatZero, .own_range = true};
  }
  void Check(const LayerShape& layer) const override;

 private:
  Options options_;
};

}  // namespace roundlab
