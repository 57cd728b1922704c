#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// SignRound v2 (intel/auto-round 0.16.1, enable_alg_ext: sign_roundv2/quantizer.py,
/// data_type/int.py quant_tensor_sym with init_scale), for grid sym_full, the reference's int_sym.
/// The scale of each group starts where SearchScale finds it, weighted by the inputs' importance
/// where the layer knows it, and is tuned by one factor c in [0, 2], 1 at first, beside SignRound's
/// offsets:
///   s = c s0, rounded and floored as MakeGrid does,   w^ = s clamp(round(w / s + V), -n, n - 1)
/// As in the reference, other grids are rounded by SignRound, whose options these also are.
/// Its loss is trimmed on sym_full alone, below 4 bits or where layers are fed 4 bits or fewer, as
/// the default here is: by a unit's own layers, where the reference asks the whole model's scheme.
/// What a later stage quantizes of inputs does not count: it is not there yet. The learning rate is
/// 1 / steps, twice that for 3 bits and fewer from 1000 steps on. Of 4-bit weights that are fed 4
/// bits the reference's search does not weight (`weighted: false`), ours does.
class SignRoundV2 : public RoundingScheme {
 public:
  struct Options {
    bool tune_offset = true;
    bool tune_scale = true;
    double scale_lr_factor = 1;
    bool own_range = true;
    bool weighted = true;
    void Fields(FieldVisitor& f);
  };
  explicit SignRoundV2(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  SchemeTraits Traits() const override;
  GridTraits OnGrid(const QuantSpec& spec) const override;

 private:
  Options options_;
};

}  // namespace roundlab
