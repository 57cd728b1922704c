#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "rounding/stage.h"

namespace roundlab {

/// s [in] float32 of an input whose channels reach up to `largest` [in] in magnitude and go into
/// `weights` [out, in] each:
///   s_j = max(max|x_j|^alpha / max|W_j|^(1 - alpha), 1e-5)
/// with max|W_j| over all the weights and at least 1e-5 (arXiv 2211.10438, equation 4;
/// mit-han-lab/smoothquant smooth.py at c61476d).
at::Tensor SmoothScale(const at::Tensor& largest, const std::vector<at::Tensor>& weights,
                       double alpha);

/// SmoothQuant: inputs that norms give are divided by SmoothScale, channel by channel, and the
/// weights that read them multiplied: what quantizing activations finds hard goes into the weights.
/// Largest magnitudes are those over the calibration tokens in the unquantized model. Upstream does
/// q, k and v and the first layers of the MLP; so do we, whatever the family, where the norm can be
/// folded into (ScaleGroup::obstacle tells where not).
///
/// Records layers/<name>/smooth_scale: least, mean and greatest s.
class SmoothQuant : public Stage {
 public:
  struct Options {
    double alpha = 0.5;
    void Fields(FieldVisitor& f);
  };
  explicit SmoothQuant(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kTransform; }
  StageNeeds Needs(const QuantOptions& quant) const override;
  bool AnyDevice() const override { return true; }
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
