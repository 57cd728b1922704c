#pragma once

#include <vector>

#include "rounding/scheme.h"

namespace roundlab {

/// In which basis a weight is rounded.
enum class QuipBasis {
  kScaled,  ///< mixed, columns scaled before
  kMixed,
  kOwn,  ///< the weight's own
};

/// QuIP (arXiv 2307.13304) with the Hadamard transforms of QuIP# (arXiv 2402.04396) for its random
/// rotations: W and its inputs' second moment H, damped, go into a basis in which no weight and no
/// direction stands out (core/quant/incoherence.h: signs drawn, rows and columns mixed), and LDLQ
/// rounds there (rounding/solvers/ldlq.h). With basis `scaled` columns are first multiplied by
///   D = (H_jj / (W^T W)_jj)^(1/4), over its geometric mean,
/// kept in float16. Grids are QuIP's, of quant.group_size weights of the new basis and with its
/// zero point half way:
///   w^ = s (code - Q / 2),   s = 2 spread rms(w) / Q,   Q = 2^bits - 1
/// of the `spreads` the one of least loss; quant.grid and range have no say. The paper has one
/// scale a matrix (quant.group_size 0) and 2.4, and no lattice of QuIP#'s is here.
///
/// In the weight's `own` basis it is LDLQ, hence GPTQ, on those grids.
///
/// A layer without statistics (no token reached it, they are not finite or all 0, no damping helps)
/// is rounded to nearest in the new basis; that is told and counted. Channels that are never active
/// get weights of 0. Weights that are not finite are an Error.
///
/// Diagnoses: relative_loss (tr(E H E^T) / tr(W H W^T)), spread, dead_columns, fallback (0 or 1),
/// incoherence ({before, after}: max |w| over the root mean square).
class Quip : public RoundingScheme {
 public:
  struct Options {
    QuipBasis basis = QuipBasis::kScaled;
    double damp = 0.01;
    std::vector<double> spreads = {2.4};
    bool in_double = false;
    void Fields(FieldVisitor& f);
  };
  explicit Quip(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;
  SchemeTraits Traits() const override {
    return {.tunable = false,
            .draws = options_.basis != QuipBasis::kOwn,
            .on_grid = options_.basis == QuipBasis::kOwn,
            .needs = {.inputs = {.second_moment = true, .in_double = options_.in_double}},
            .quant = {.grid = false}};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid), .own_range = true};
  }
  LayerTraits OnLayer(const LayerShape& layer) const override;

 private:
  Options options_;
};

}  // namespace roundlab
