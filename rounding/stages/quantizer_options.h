#pragma once

#include <string>

#include "rounding/observer.h"
#include "rounding/stage.h"

namespace roundlab {

/// Where the ranges of activations come from.
enum class RangeSource {
  kDynamic,  ///< from the tensor itself, whenever it is quantized
  kStatic,   ///< from the calibration sequences, behind what is quantized so far
  kNorm,     ///< from the parameters of the norm that gives the tensor, see NormRange
};

/// What quantizers of activations and of caches have in common.
struct QuantizerOptions {
  std::int64_t bits = 8;
  CodeKind grid = CodeKind::kSym;
  std::int64_t group_size = 128;
  RangeSource ranges = RangeSource::kDynamic;
  ObserverOptions observer;
  double spread = 6;     ///< of kNorm
  double threshold = 0;  ///< of inputs of layers: see SplitOutliers
  std::string match;     ///< regular expression of whole layer names; empty: all

  /// with_norms: ranges may be those of norms. grouped: some scale is a group's.
  void Fields(FieldVisitor& f, bool with_norms, bool grouped);
  bool Static() const { return ranges != RangeSource::kDynamic; }
  bool Matches(const std::string& layer) const;
  ActivationSpec Spec(RangePer per) const;
  /// What is wrong with these ranges for that, or "".
  std::string RangeProblem(RangePer per) const;
  StageNeeds Needs() const;
  /// See Stage.
  bool SpansTokens(RangePer per) const {
    return !Static() && ActivationQuantizer{Spec(per)}.SpansTokens();
  }
  /// The same quantizer for all, or null where ranges are static.
  std::shared_ptr<const ActivationQuantizer> Dynamic(RangePer per) const;
};

/// Adds each sequence of x by itself where there are several.
void Observe(const at::Tensor& x, RangeObserver* observer);

}  // namespace roundlab
