#pragma once

#include <cstdint>
#include <optional>

#include "rounding/scheme.h"

namespace roundlab {

/// AQLM (arXiv 2401.06118; Vahe1994/AQLM e79a896, aq_engine.py): groups of `group` weights of a row
/// are the row's scale times a sum of `codebooks` vectors, each one of 2^code_bits. They start from
/// residual k-means of the weights over their row's norm. An epoch is `steps` steps of Adam on
/// codebooks and scales for the least
///   tr((W - W^) H (W - W^)^T) / out,   H = sum x x^T / tokens of the quantized chain's inputs
/// and then one beam search of the codes, groups and codebooks in an order drawn anew. It ends when
/// an epoch begins with a loss above 1 - tolerance of the last one's. The state of least loss is
/// taken (the original takes the last). Codebooks and scales are stored in 16 bits.
///
/// quant.bits says how many codebooks there are where `codebooks` does not: quant.bits group /
/// code_bits. quant.group_size, grid and range have no say.
///
/// With `finetune` codebooks and scales are then parameters of the round stage (the original: Adam,
/// lr 1e-5), codes stay.
///
/// A layer without statistics (no token reached it, or they are not finite) is coded for the least
/// |W - W^|^2, that is with H = 1; that is told and counted. Errors: codebooks with more values
/// than the matrix, groups that don't fill a row, weights that are not finite.
///
/// Diagnoses: loss_before and loss_after (of the formula), epochs, unused_codes (part of all
/// vectors), fallback (0 or 1).
class Aqlm : public RoundingScheme {
 public:
  struct Options {
    std::int64_t group = 8;
    std::int64_t code_bits = 8;
    std::optional<std::int64_t> codebooks;
    std::int64_t kmeans_iterations = 100;
    std::int64_t beam = 1;
    double lr = 1e-4;
    std::int64_t epochs = 1000;
    std::int64_t steps = 100;
    double tolerance = 0.01;
    bool finetune = false;
    void Fields(FieldVisitor& f);
  };
  explicit Aqlm(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override;
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid), .own_range = true};
  }
  LayerTraits OnLayer(const LayerShape& /*layer*/) const override { return {.plain_codes = false}; }
  Work WorkOn(const LayerShape& layer) const override;
  void Check(const LayerShape& layer) const override;

 private:
  Options options_;
};

}  // namespace roundlab
