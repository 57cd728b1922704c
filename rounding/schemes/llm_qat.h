#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// The weights of LLM-QAT (arXiv 2305.17888, section 2.2): W itself is trained and runs as
///   w^ = s (clamp(round(w / s) + z, 0, 2^bits - 1) - z)
/// on the min-max grid of its present groups, so that nothing is clipped, by quant.grid; the
/// gradient passes straight through to W, scales get none. The paper: quant.group_size -1, grid sym
/// (its own has no lowest code), the whole model as one unit, `loss: soft_labels`, AdamW, lr 2e-5,
/// cosine; text that the model itself has written (`roundlab sample`); activations and cache by the
/// stages of that name before this one. quant.range has a say at no time.
///
/// Diagnoses: weight_drift (|W - W_0| over |W_0|).
class LlmQat : public RoundingScheme {
 public:
  struct Options {
    void Fields(FieldVisitor& f);
  };
  explicit LlmQat(const Options& options);
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  /// A hundred thousand samples, 8 at a time; `unit` has all blocks of any model.
  SchemeTraits Traits() const override {
    return {.any_device = true,
            .tuning =
                "optimizer: {type: adamw, lr: 0.00002, weight_decay: 0}\nschedule: cosine\n"
                "loss: soft_labels\nunit: {blocks: 1000}\nsteps: 12500\nselect: last\n"};
  }
};

}  // namespace roundlab
