#include "rounding/ranges/minmax.h"
#include "rounding/ranges/mse.h"
#include "rounding/scheme.h"
#include "rounding/schemes/adaround.h"
#include "rounding/schemes/rtn.h"
#include "rounding/schemes/signround.h"
#include "rounding/stages/bias_correction.h"
#include "rounding/stages/round.h"
#include "rounding/stages/scale_refit.h"

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

StageRegistry& Stages() {
  static StageRegistry registry = [] {
    StageRegistry r("stage");
    r.Add<BiasCorrection>("bias_correction", "expected output errors go into biases");
    r.Add<RoundStage>("round", "weights become codes");
    r.Add<ScaleRefit>("scale_refit", "least-squares scales for the codes chosen");
    return r;
  }();
  return registry;
}

}  // namespace roundlab
