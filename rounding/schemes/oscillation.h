#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/config/fields.h"

namespace roundlab {

/// Squares summed over outputs and averaged over inputs; averaged over all; or summed.
enum class DampenReduction { kKernelMean, kMean, kSum };

/// What is done about weights whose code goes up and down while a straight-through scheme learns
/// (arXiv 2203.11086; Qualcomm-AI-research/oscillations-qat at 9064d85). Both are off by default.
struct OscillationOptions {
  double momentum = 0.01;
  double freeze = 0;
  double freeze_end = 0.01;
  bool freeze_at_average = true;
  double dampen = 0;
  DampenReduction dampen_reduction = DampenReduction::kKernelMean;
  double start = 0.25;
  void Fields(FieldVisitor& f);

  /// The frequency above which a weight is frozen at `progress`: 0, which freezes none, before
  /// `start`; then from `freeze` to `freeze_end` along half a cosine wave.
  double FreezeThreshold(double progress) const;
  /// The weight of the dampening loss: 0 before `start`, then up to `dampen` along the same wave.
  double DampenWeight(double progress) const;
};

/// Follows the codes of one layer, element by element. A code oscillates at a step where it moves
/// against the direction of its last move; the frequency f is the moving average of that,
///   f <- m osc + (1 - m) f.
/// An element is frozen, from the next step on, once f is above the step's threshold: at the moving
/// average of its codes (of the steps before, from the first with a threshold), rounded, or at its
/// code. A frozen one whose f is still above is fixed anew each step.
class OscillationTracker {
 public:
  /// `like`: a tensor of the shape of the codes.
  OscillationTracker(const OscillationOptions& options, const at::Tensor& like);

  /// `codes` with those of frozen elements put in.
  at::Tensor Fix(const at::Tensor& codes) const;
  /// Takes in a step's codes, fixed by Fix.
  void Track(const at::Tensor& codes, double threshold);

  const at::Tensor& Frequency() const { return frequency_; }    ///< float32 in [0, 1]
  const at::Tensor& Frozen() const { return frozen_; }          ///< bool
  const at::Tensor& FrozenCodes() const { return fixed_; }      ///< 0 where not frozen
  const at::Tensor& Oscillated() const { return oscillated_; }  ///< bool, of the last step
  /// All that Track changes.
  std::vector<at::Tensor> State() const;

 private:
  double momentum_;
  bool at_average_;
  at::Tensor previous_;   // codes of the last step, NaN before the first
  at::Tensor direction_;  // of the last move: -1, 1, or 0 before any
  at::Tensor frequency_;
  at::Tensor average_;  // of the codes, NaN before the first step with a threshold
  at::Tensor frozen_;
  at::Tensor fixed_;
  at::Tensor oscillated_;
};

/// How far the weights [out, in] that are learned lie from what they round to:
/// (rounded - latent)^2, reduced. latent is clipped to the grid; rounded is a constant.
at::Tensor DampeningLoss(const at::Tensor& latent, const at::Tensor& rounded,
                         DampenReduction reduction);

}  // namespace roundlab
