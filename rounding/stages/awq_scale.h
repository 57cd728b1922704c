#pragma once

#include "rounding/stage.h"

namespace roundlab {

/// AWQ's scaling of input channels (arXiv 2306.00978; mit-han-lab/llm-awq auto_scale.py at
/// d6e797a), found by SearchAwqScale with nearest codes on min-max ranges (with 0 in them, unlike
/// there), and folded into what comes before:
///   W <- W diag(s),   norm weight (with its offset) and bias, or rows and bias of v or up, / s
/// Groups of linears and the outputs that are compared:
///   those that a norm feeds   the outputs of the branches they are in (attention, MLP)
///   attention's output        its own; folded into v, where v and it have the same channels
///   down                      its own; folded into up, where the MLP is gated or its activation
///   relu
/// All groups of a block are searched before one is folded, on the unquantized model's inputs. A
/// group that can't be folded (grouped-query attention, fused q, k and v, experts, another
/// activation, a norm with other readers) keeps its weights, which is told.
///
/// The search runs on all calibration sequences, as upstream's; `sequences` above 0: on so many,
/// mean |x| too. Ratios race over them (SearchAwqScale; ours), unless `certainty` is 0.
///
/// Records layers/<name>/awq_ratio for each scaled layer, and of each ratio units/<first
/// layer>/awq_loss and awq_sequences, those that it was judged by (1 where all are one moment).
class AwqScale : public Stage {
 public:
  struct Options {
    std::int64_t ratios = 20;
    std::int64_t sequences = 0;
    double certainty = 4;
    bool scale_norms = true;
    bool scale_output = true;
    bool scale_down = true;
    void Fields(FieldVisitor& f);
  };
  explicit AwqScale(const Options& options) : options_(options) {}
  bool AnyDevice() const override { return true; }

  StageKind Kind() const override { return StageKind::kTransform; }
  Work WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t samples,
              std::int64_t seqlen) const override;
  StageNeeds Needs(const QuantOptions& quant) const override;
  double WorkingBytes(const BlockPlan& block) const override;
  std::int64_t CapturedValues(const BlockPlan& block, std::int64_t hidden,
                              std::int64_t samples) const override;
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
