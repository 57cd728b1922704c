#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/quant/groups.h"

namespace roundlab {

/// Linears that share an input, and how good other weights in their place are.
struct AwqScaleProblem {
  std::vector<at::Tensor> weights;  ///< each [out, in] float32
  at::Tensor absolute_mean;         ///< [in] float32, mean over tokens of |x|
  /// A weight [out, in] in place of the i-th -> its decoded quantized form.
  std::function<at::Tensor(const at::Tensor& weight, std::size_t i)> quantize;
  /// Squared differences of the inspected module's outputs with these weights from those with the
  /// original ones, summed over each of the portions first to first + count - 1 of its inputs
  /// (first a multiple of 8) and divided by the number of all outputs, so that all portions' sum is
  /// the mean.
  std::function<std::vector<double>(const std::vector<at::Tensor>& weights, std::int64_t first,
                                    std::int64_t count)>
      losses;
  std::int64_t portions = 1;  ///< asked for by eights while ratios race, else all at once
  std::int64_t ratios = 20;
  double certainty = 0;  ///< standard errors; 0: every ratio sees every portion
};

struct AwqScaleSolution {
  at::Tensor scale;                ///< [in] float32, > 0
  double ratio = 0;                ///< the chosen r
  std::vector<double> losses;      ///< of r = i / ratios, by the portions seen; may be not finite
  std::vector<std::int64_t> seen;  ///< portions that each ratio was judged by
  bool found = true;               ///< false: no loss was finite, scale is 1
};

/// AWQ's search for the scales of an input's channels (arXiv 2306.00978; mit-han-lab/llm-awq
/// auto_scale.py at d6e797a):  for r in {0, 1/n, ..., (n-1)/n}
///   s = max(1e-4, absolute_mean^r),  s <- s / sqrt(max s min s),  W^ = Q(W s) / s
/// The r of least loss is kept, the first on a tie; r = 0 is no scaling at all.
///
/// Ours, with `certainty` z: ratios race. After every 8 portions those are dropped whose loss is
/// above the least by more than z standard errors of the mean of the portions' differences, so that
/// most ratios see a few portions and the near ones all. Of n of N portions, drawn without
/// replacement, that error is  sd / sqrt(n) sqrt(1 - n / N)  (Cochran, Sampling Techniques, 2.6).
AwqScaleSolution SearchAwqScale(const AwqScaleProblem& problem);

struct AwqClipProblem {
  at::Tensor weight;   ///< [out, in] float32
  at::Tensor inputs;   ///< [tokens, in] float32, a sample of what the layer sees
  GroupLayout layout;  ///< of the weight
  /// Groups [groups, width] -> their decoded quantized form.
  std::function<at::Tensor(const at::Tensor& groups)> quantize;
  std::int64_t steps = 20;  ///< candidates in the unit interval
  double max_shrink = 0.5;  ///< largest part to take away
};

/// AWQ's search for clipped ranges (auto_clip.py): for each group the c = max|w| (1 - i / steps),
/// i < max_shrink steps, of least
///   mean over tokens of (x (Q(clamp(w, -c, c)) - w)^T)^2,  x the group's part of the input,
/// the largest c on a tie. Returns c, float32 [layout.Count()]. The layers that upstream leaves
/// alone (q and k) are the caller's business. A whole tensor sums over its rows and a last group
/// that is narrower is filled with zeros; upstream has neither.
at::Tensor SearchAwqClip(const AwqClipProblem& problem);

}  // namespace roundlab
