#pragma once

#include <ATen/core/Tensor.h>

#include "rounding/stage.h"

namespace roundlab {

struct NormSlot;

/// What each channel of a norm's output stays within, [width] float32, from the norm's own
/// parameters, no data: r_j = |beta_j| + spread |gamma_j| (arXiv 2203.14642: what is normalised is
/// within +- spread nearly always).
at::Tensor NormRange(const NormSlot& norm, double spread);

/// SPIQ: inputs that norms give are divided, channel by channel, by s_j = r_j / (2^(bits-1) - 1),
/// and the weights that read them multiplied. All channels then stay within +-(2^(bits-1) - 1), so
/// that one static scale fits all: `{type: activations, per: tensor, ranges: norm, spread: (the
/// same), grid: sym_restricted}` after it. Needs no data. A channel whose norm is 0 takes the least
/// s of the others, so that its weights, which nothing reaches, widen no group's range. Source: the
/// paper's abstract and its formulas as recalled; there is no public code to compare with.
class Spiq : public Stage {
 public:
  struct Options {
    double spread = 6;
    std::int64_t bits = 8;
    void Fields(FieldVisitor& f);
  };
  explicit Spiq(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kTransform; }
  StageNeeds Needs(const QuantOptions& /*quant*/) const override { return {}; }
  bool AnyDevice() const override { return true; }
  void Apply(UnitWork* work) const override;

  /// s of each channel of the norm's output, [width] float32; 1 where all of the norm is 0.
  at::Tensor Factors(const NormSlot& norm) const;

 private:
  Options options_;
};

}  // namespace roundlab
