#pragma once

#include "rounding/stages/quantizer_options.h"

namespace roundlab {

/// Puts quantizers on keys and values, which a block keeps in its cache: those of layers that
/// `match` takes (a matrix of q, k and v together: both). A token's own query sees the quantized
/// ones, too.
///
/// per token: of one head, [tokens, kv_heads] ranges; channel: of one head over all tokens of a
/// text (KIVI, arXiv 2402.02750, without its groups of tokens), which can't be scored packed unless
/// the ranges are static. before_rotary: keys are quantized before they are turned by their
/// position (KVQuant, arXiv 2401.18079).
class KvCache : public Stage {
 public:
  struct Options {
    Options();
    QuantizerOptions quantizer;
    RangePer keys = RangePer::kToken;
    RangePer values = RangePer::kToken;
    bool before_rotary = false;
    void Fields(FieldVisitor& f);
  };
  explicit KvCache(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kActivations; }
  StageNeeds Needs(const QuantOptions& quant) const override;
  bool AnyDevice() const override { return true; }
  bool SpansTokens() const override {
    const QuantizerOptions& how = options_.quantizer;
    return how.SpansTokens(options_.keys) || how.SpansTokens(options_.values);
  }
  std::string Match() const override { return options_.quantizer.match; }
  void Check(const ModelDescription& model, const QuantOptions& quant) const override;
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
