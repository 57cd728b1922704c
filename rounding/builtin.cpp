#include "rounding/ranges/minmax.h"
#include "rounding/ranges/mse.h"
#include "rounding/scheme.h"
#include "rounding/schemes/adaround.h"
#include "rounding/schemes/rtn.h"
#include "rounding/schemes/signround.h"

namespace roundlab {

RoundingRegistry& RoundingSchemes() {
  static RoundingRegistry registry = [] {
    RoundingRegistry r("rounding scheme");
    r.Add<AdaRound>("adaround", "learned up or down, rectified sigmoid with a penalty");
    r.Add<RtnRounding>("rtn", "round to nearest");
    r.Add<SignRound>("signround", "learned offset and range, straight-through gradient");
    r.Add<StochasticRounding>("stochastic", "up with the probability of the fraction");
    return r;
  }();
  return registry;
}

RangeRegistry& RangeEstimators() {
  static RangeRegistry registry = [] {
    RangeRegistry r("range estimator");
    r.Add<MinMaxEstimator>("minmax", "all of the weights");
    r.Add<MseEstimator>("mse", "shrunk to the least rounding error");
    return r;
  }();
  return registry;
}

}  // namespace roundlab
