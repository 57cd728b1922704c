#include "rounding/ranges/minmax.h"

#include <ATen/ATen.h>

namespace roundlab {

void MinMaxEstimator::Options::Fields(FieldVisitor& /*f*/) {}
MinMaxEstimator::MinMaxEstimator(const Options& /*options*/) {}

GroupRange MinMaxEstimator::Estimate(const LayerContext& layer) const {
  return MinMaxRange(layer.Layout().Split(layer.weight));
}

}  // namespace roundlab
