#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// How the weights of outlier channels are kept.
enum class OutlierColumns {
  kFloat16,  ///< as they are, in 16 bits, out of the others' grid (the paper)
  kCodes,    ///< as all others (bitsandbytes 0.50)
};

/// The weights of LLM.int8() (arXiv 2208.07339; bitsandbytes 0.50): of each group, with
/// quant.group_size -1 a row (the paper's vector-wise), on a signed grid of its largest magnitude,
///   q = round(w (1 / max|w|) T),   w^ = q max|w| / T,   T = 2^(bits-1) - 1
/// in float32, quant.bits 8 in the paper; max|w| / T is no less than the least scale (ScaleLimits)
/// and stored as quant.scale_dtype, float32 there.
/// Channels j whose calibration inputs reach |x_j| >= threshold anywhere are outliers. quant.grid
/// and range have no say. What the layer is fed is the business of the stage `activations` (grid:
/// sym_restricted, threshold: 6).
///
/// Weights that are not finite are an Error; a channel of infinite inputs is an outlier, one whose
/// inputs are no numbers is none, and is counted.
///
/// Diagnoses: outlier_columns (number), nan_columns (number).
class LlmInt8 : public RoundingScheme {
 public:
  struct Options {
    double threshold = 6;
    OutlierColumns columns = OutlierColumns::kFloat16;
    void Fields(FieldVisitor& f);
  };
  explicit LlmInt8(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override {
    return {.tunable = false,
            .needs = {.inputs = {.absolute_max = Splits()}},
            .quant = {.grid = false}};
  }
  GridTraits OnGrid(const QuantSpec& spec) const override {
    return {.takes = IsUniform(spec.grid), .own_range = true};
  }
  LayerTraits OnLayer(const LayerShape& /*layer*/) const override {
    return {.plain_codes = !Splits()};
  }

 private:
  bool Splits() const {
    return options_.threshold > 0 && options_.columns == OutlierColumns::kFloat16;
  }
  Options options_;
};

}  // namespace roundlab
