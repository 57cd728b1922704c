#pragma once

#include <ATen/core/Tensor.h>

#include "core/config/fields.h"
#include "core/quant/activation_quantizer.h"

namespace roundlab {

/// The range that a batch of activations gives.
enum class BatchRange {
  kMinMax,
  kMse,         ///< shrunk to the least rounding error
  kPercentile,  ///< of so much of the values
  kLsq,         ///< whose step is LSQ's first
};
/// What the ranges of batches become.
enum class BatchMerge {
  kExtremes,  ///< the least low and the greatest high
  kAverage,   ///< of the first, moved by `averaging` towards each next one
  kLast,      ///< that of the last batch
};

/// How static ranges are found. The observers of llm-compressor (0.14) are: static_minmax = minmax,
/// extremes; minmax = minmax, average; memoryless_minmax = minmax, last; mse = mse, average;
/// memoryless_mse = mse, last.
struct ObserverOptions {
  BatchRange range = BatchRange::kMinMax;
  BatchMerge batches = BatchMerge::kExtremes;
  double averaging = 0.01;
  double percentile = 99.9;
  void Fields(FieldVisitor& f);
};

/// Watches batches of activations (ActivationQuantizer::Apply's shapes) and gives the quantizer
/// with static ranges:
///   minmax      [min, max]
///   mse         p [min, max], p = 1 - i / 100, i < 20, of least sum |x^ - x|^2.4 a range; stops
///               after 5 steps in which no range of the tensor got better (llm-compressor
///               observers/mse.py)
///   percentile  from the (100 - percentile)-th to the percentile-th hundredth of the values, each
///               the nearest value outwards
///   lsq         +-, with a step of 2 mean |x| / sqrt(highest code) (LSQ, arXiv 1902.08153)
class RangeObserver {
 public:
  RangeObserver(const ObserverOptions& options, const ActivationSpec& spec);

  void Add(const at::Tensor& x);
  bool SeenAny() const { return range_.low.defined(); }
  /// [groups, width], each 1 or full.
  GroupRange Range() const;
  ActivationQuantizer Finish() const;

 private:
  GroupRange OfBatch(const at::Tensor& view) const;

  ObserverOptions options_;
  ActivationSpec spec_;
  GroupRange range_;
};

/// The quantizer of static ranges [groups, width].
ActivationQuantizer StaticQuantizer(const GroupRange& range, const ActivationSpec& spec);

}  // namespace roundlab
