#pragma once

#include <string>
#include <vector>

#include "rounding/stage.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {

/// OmniQuant's learnable equivalent transformation (arXiv 2308.13137, section 3.3;
/// OpenGVLab/OmniQuant at 95fae1b): a block's inputs are shifted and scaled by learned d and s,
///   x <- (x - d) / s,  W <- W diag(s),  b <- b + W d        of q, k and v, of an MLP's first
///   layers,
///                                                          and of the attention's output layer
///   q <- q / t,  k <- k t
/// so that the block, its weights rounded to nearest, stays near what the unquantized one puts out
/// (quant.range does not matter here: min to max, times sigmoids that are learned beside with
/// `clip`, as scheme omniquant's). In the end d, s and t are folded into norms, v, biases and the
/// weights, and what was rounded is put back: a round stage follows.
///
/// s starts at max|x|^alpha / max|W|^(1-alpha) of the original model's inputs and all linears that
/// read it, at least 1e-5; d at the middle of x's range; t at 1. s and t stay at 1e-2 and more. d
/// where the norm, or v, has a bias. Groups that a block's layout does not allow (grouped-query
/// attention, fused or normalized q and k, experts) keep their weights, which is told, and so does
/// a block that allows none.
///
/// The defaults of the tuning are the reference's: AdamW without decay, lr 5e-3 (clipping 1e-2),
/// one sequence a step in 20 epochs of 128, the last state kept. Where we differ: t is one number
/// for the two dimensions that rotary positions turn into each other, so that the fold is exact.
///
/// Records what tuning does (as unit <unit>_let) and layers/<name>/let_scale of each layer whose
/// input is scaled.
class Let : public Stage {
 public:
  struct Options {
    double alpha = 0.5;
    bool scale_norms = true;
    bool scale_output = true;
    bool scale_query_key = true;
    bool shift = true;
    bool clip = true;
    double clip_lr_factor = 2;
    TuneOptions tune;
    Options();
    void Fields(FieldVisitor& f);
  };
  explicit Let(const Options& options) : options_(options) {}
  bool AnyDevice() const override { return true; }

  StageKind Kind() const override { return StageKind::kTransform; }
  StageNeeds Needs(const QuantOptions& quant) const override;
  std::vector<std::string> Series(const std::string& unit,
                                  const std::vector<std::string>& linears) const override;
  std::vector<const TuneOptions*> Tunings() const override { return {&options_.tune}; }
  GraphBytes KeptByGraph(const BlockPlan& /*block*/) const override { return {.a_weight = 18}; }
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
