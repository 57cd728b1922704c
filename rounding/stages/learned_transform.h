#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/quant/spec.h"
#include "rounding/stages/scale_groups.h"
#include "rounding/tuner/tuned.h"

namespace roundlab {

/// Scales, shifts and query-key factors of some blocks, and a clipping of each layer, all leaves
/// that require grad.
struct TransformParameters {
  struct Input {
    ScaleGroup group;
    at::Tensor scale;  ///< [in]
    at::Tensor shift;  ///< [in], or undefined
  };
  struct QueryKey {
    QueryKeyGroup group;
    at::Tensor factor;  ///< [group.factors]
  };
  std::vector<Input> inputs;
  std::vector<QueryKey> query_keys;
};

/// A transformation that is learned while each layer's weight is rounded to nearest behind it. The
/// blocks themselves are not transformed meanwhile: a layer runs with
///   W^ = R^-1 Q(R W C) C^-1,  b^ = b + (W - W^) d
/// R and C the diagonals of what its rows and columns are multiplied with, which is what the
/// transformed block computes. Q has the range of its argument times sigmoid(clip) at both ends,
/// with gradients straight through rounding.
class LearnedTransform : public Tuned {
 public:
  struct Options {
    bool clip = true;
    double clip_lr_factor = 2;
    double least = 1e-2;  ///< of scales and factors
  };
  /// `spec` of each of `slots`, the layers that are rounded.
  LearnedTransform(TransformParameters parameters, const std::vector<LinearSlot*>& slots,
                   const std::function<std::optional<QuantSpec>(const LinearSlot&)>& spec,
                   const Options& options);

  std::vector<ParameterGroup> Parameters() override;
  void Install(Hardness hardness) override;
  bool Project(double progress) override;

  /// Takes the rounded weights out of the layers again.
  void Clear() const;
  const TransformParameters& parameters() const { return all_; }

 private:
  struct Layer {
    LinearSlot* slot = nullptr;
    QuantSpec spec;
    const TransformParameters::Input* reads = nullptr;  // scales its columns
    const TransformParameters::Input* makes = nullptr;  // divides its rows
    const TransformParameters::QueryKey* heads = nullptr;
    at::Tensor low_logit;   // [groups], inside the sigmoid that clips the low end
    at::Tensor high_logit;  // [groups]
  };
  at::Tensor Rounded(const Layer& layer) const;
  at::Tensor RowFactors(const Layer& layer) const;

  TransformParameters all_;
  std::vector<Layer> layers_;
  Options options_;
};

}  // namespace roundlab
