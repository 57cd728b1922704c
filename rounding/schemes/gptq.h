#pragma once

#include "rounding/scheme.h"
#include "rounding/solvers/gptq.h"

namespace roundlab {

/// GPTQ (arXiv 2210.17323; IST-DASLab/gptq) and, with `asymmetric`, GPTAQ (arXiv 2504.02692), as
/// SolveGptq has them. The defaults are the original code's: no act-order, not sequential inside a
/// block. H = 2 / tokens sum x x^T over the quantized chain's inputs (the original counts
/// sequences, which only scales the losses). Grids come from the config's range estimator, on the
/// weights as they are when a group begins.
///
/// An expert that was sent other tokens than in the unquantized model has no difference to match:
/// it is calibrated symmetrically, which is told.
///
/// With a start its grids are kept, and so are its codes in each row where error feedback does not
/// find codes of less e H e^T (rows do not depend on one another). Not for the asymmetric method,
/// whose target is another.
///
/// A layer without statistics for a factor (no token reached it, H is not finite, or no damping
/// helps) is rounded to nearest; that is told and counted. Weights that are not finite are an
/// Error.
///
/// Diagnoses: column_loss (sum over columns of the losses of the paper's equation 2 per token),
/// damp, damping_grown (1, where it did), dead_columns, fallback (0 or 1); with a start start_rows
/// (part of the rows that keep its codes).
class Gptq : public RoundingScheme {
 public:
  struct Options {
    GptqSettings settings;
    bool true_sequential = false;
    bool asymmetric = false;
    bool in_double = false;
    void Fields(FieldVisitor& f);
  };
  explicit Gptq(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override;
  LayerTraits OnLayer(const LayerShape& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;

 private:
  Options options_;
};

}  // namespace roundlab
