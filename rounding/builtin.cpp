#include "rounding/ranges/awq_clip.h"
#include "rounding/ranges/minmax.h"
#include "rounding/ranges/mse.h"
#include "rounding/ranges/mse_2d.h"
#include "rounding/ranges/scale_search.h"
#include "rounding/scheme.h"
#include "rounding/schemes/adaround.h"
#include "rounding/schemes/aqlm.h"
#include "rounding/schemes/aquant.h"
#include "rounding/schemes/easyquant.h"
#include "rounding/schemes/flexround.h"
#include "rounding/schemes/gptq.h"
#include "rounding/schemes/hqq.h"
#include "rounding/schemes/llm_int8.h"
#include "rounding/schemes/llm_qat.h"
#include "rounding/schemes/lrq.h"
#include "rounding/schemes/nupes.h"
#include "rounding/schemes/omniquant.h"
#include "rounding/schemes/powerquant.h"
#include "rounding/schemes/quip.h"
#include "rounding/schemes/rtn.h"
#include "rounding/schemes/signround.h"
#include "rounding/schemes/signround_v2.h"
#include "rounding/schemes/squeezellm.h"
#include "rounding/schemes/stochastic.h"
#include "rounding/schemes/tesseraq.h"
#include "rounding/stages/activations.h"
#include "rounding/stages/awq_scale.h"
#include "rounding/stages/bias_correction.h"
#include "rounding/stages/kv_cache.h"
#include "rounding/stages/let.h"
#include "rounding/stages/lorc.h"
#include "rounding/stages/round.h"
#include "rounding/stages/scale_refit.h"
#include "rounding/stages/smoothquant.h"
#include "rounding/stages/spiq.h"
#include "rounding/stages/teq.h"
#include "rounding/tuner/losses.h"

namespace roundlab {

RoundingRegistry& RoundingSchemes() {
  static RoundingRegistry registry = [] {
    RoundingRegistry r("rounding scheme");
    r.Add<AdaRound>("adaround", "learned up or down, rectified sigmoid with a penalty");
    r.Add<Aqlm>("aqlm", "sums of vectors from codebooks, found by search and tuning");
    r.Add<AQuant>("aquant", "learned border between up and down, straight-through gradient");
    r.Add<EasyQuant>("easyquant", "nearest on a fitted scale, outliers kept apart; no data");
    r.Add<FlexRound>("flexround", "learned element-wise division, straight-through gradient");
    r.Add<Gptq>("gptq", "errors handed on by the inverse of the inputs' second moment");
    r.Add<Hqq>("hqq", "half-quadratic search of real zero points, without data");
    r.Add<LlmInt8>("llm_int8", "by the largest magnitude, outlier channels in 16 bits");
    r.Add<LlmQat>("llm_qat", "the weights themselves are trained, on min-max grids");
    r.Add<Lrq>("lrq", "learned division of low rank, straight-through gradient");
    r.Add<Nupes>("nupes", "learned offsets over all codes of a power grid, exponent too");
    r.Add<OmniQuant>("omniquant", "learned clipping of the range, straight-through gradient");
    r.Add<PowerQuant>("powerquant", "nearest on a power grid, its exponent searched; no data");
    r.Add<Quip>("quip", "errors handed on in a basis where no weight stands out");
    r.Add<RtnRounding>("rtn", "round to nearest");
    r.Add<SignRound>("signround", "learned offset and range, straight-through gradient");
    r.Add<SignRoundV2>("signround_v2", "learned offset, and scale from a searched one");
    r.Add<SqueezeLlm>("squeezellm", "a table of values a row by weighted k-means, outliers apart");
    r.Add<StochasticRounding>("stochastic", "up with the probability of the fraction");
    r.Add<TesseraQ>("tesseraq", "learned up or down, hardened stage by stage");
    return r;
  }();
  return registry;
}

RangeRegistry& RangeEstimators() {
  static RangeRegistry registry = [] {
    RangeRegistry r("range estimator");
    r.Add<AwqClip>("awq_clip", "clipped to the least output error");
    r.Add<MinMaxEstimator>("minmax", "all of the weights");
    r.Add<MseEstimator>("mse", "shrunk to the least rounding error");
    r.Add<Mse2dEstimator>("mse_2d", "shrunk and shifted to the least rounding error");
    r.Add<ScaleSearchEstimator>("scale_search", "the sym_full scale of least rounding error");
    return r;
  }();
  return registry;
}

LossRegistry& Losses() {
  static LossRegistry registry = [] {
    LossRegistry r("loss");
    r.Add<MseLoss>("mse", "mean of squares");
    r.Add<SoftLabelsLoss>("soft_labels",
                          "divergence from the model's own next-token distributions");
    r.Add<SumSquaresLoss>("sum_squares", "squares summed over features, mean over tokens");
    r.Add<SumTokensLoss>("sum_tokens", "squares summed over positions, mean over features");
    r.Add<TrimmedMseLoss>("trimmed_mse", "mean of squares without the largest");
    return r;
  }();
  return registry;
}

StageRegistry& Stages() {
  static StageRegistry registry = [] {
    StageRegistry r("stage");
    r.Add<Activations>("activations", "what layers are fed becomes integers");
    r.Add<AwqScale>("awq_scale",
                    "input channels scaled by their activity, folded into what is before");
    r.Add<BiasCorrection>("bias_correction", "expected output errors go into biases");
    r.Add<Let>("let", "learned scales and shifts of inputs, folded into what is before");
    r.Add<KvCache>("kv_cache", "keys and values become integers");
    r.Add<Lorc>("lorc", "largest singular vectors of the rounding error are added back");
    r.Add<RoundStage>("round", "weights become codes");
    r.Add<ScaleRefit>("scale_refit", "least-squares scales for the codes chosen");
    r.Add<SmoothQuant>("smoothquant",
                       "large input channels made smaller, folded into the norm before");
    r.Add<Spiq>("spiq",
                "input channels scaled to one range by the norm's parameters, without data");
    r.Add<Teq>("teq", "trained scales of input channels, folded into the norm before");
    return r;
  }();
  return registry;
}

}  // namespace roundlab
