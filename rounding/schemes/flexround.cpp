#include "rounding/schemes/flexround.h"

#include "rounding/schemes/learned_division.h"

namespace roundlab {

void FlexRound::Options::Fields(FieldVisitor& f) {
  f.Bool("tune_scale", &tune_scale, "learn the scale s1 of each group");
  f.Bool("tune_row", &tune_row, "learn a divisor s3 of each row besides that of each weight");
}

std::unique_ptr<LayerRounding> FlexRound::Begin(const LayerContext& layer) const {
  return DivisionRounding(layer, options_.tune_scale,
                          ElementwiseExponent(layer, options_.tune_row));
}

}  // namespace roundlab
