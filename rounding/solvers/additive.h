#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace roundlab {

/// A weight [out, in] as sums of vectors: of each row and group of `width` columns
///   w^ = scale_row sum_m C_m[code_m]
struct AdditiveCode {
  at::Tensor codes;      ///< [out, in / width, n] int64
  at::Tensor codebooks;  ///< [n, size, width] float32
  at::Tensor scales;     ///< [out] float32

  /// [out, in]; differentiable in codebooks and scales.
  at::Tensor Decode() const;
};

/// How many codebooks of which size, and columns that a vector stands for.
struct AdditiveShape {
  std::int64_t count = 2;
  std::int64_t size = 256;
  std::int64_t width = 8;
};

/// Centers [k, d] of points [n, d] by Lloyd's method from `centers` (src/kmeans.py): at most
/// `iterations`, until at every tenth none has moved by more than 1e-8 + 1e-6 of itself; a center
/// without points stays.
at::Tensor VectorClusters(const at::Tensor& points, const at::Tensor& centers,
                          std::int64_t iterations);

/// The start: scales are the rows' norms + 1e-9, codebook i the clusters of what those before it
/// left over, from the points [out in / width, width] that `start(i)` names, int64 [size].
AdditiveCode ResidualClusters(const at::Tensor& weight, const AdditiveShape& shape,
                              const std::function<at::Tensor(std::int64_t)>& start,
                              std::int64_t iterations);

/// In which order codes are looked at: groups of columns, and the codebooks of a group.
struct SearchOrder {
  std::function<std::vector<std::int64_t>(std::int64_t count)> groups;
  std::function<std::vector<std::int64_t>(std::int64_t count)> codebooks;  ///< anew for each group
};
SearchOrder NaturalOrder();

/// Codes of less |w - w^|^2 by a beam of `beam` hypotheses for each group, codebook by codebook in
/// natural order. (The original reorders hypotheses without what they leave over, which is wrong
/// for three codebooks and more with a beam above 1.)
at::Tensor SearchWeights(const at::Tensor& weight, const AdditiveCode& from, std::int64_t beam);

/// Codes of less (w - w^) H (w - w^)^T for each row by a beam over groups and codebooks. moment: H
/// [in, in].
at::Tensor SearchOutputs(const at::Tensor& weight, const at::Tensor& moment,
                         const AdditiveCode& from, std::int64_t beam,
                         const SearchOrder& order = NaturalOrder());

/// tr((W - W^) H (W - W^)^T) / out in float64; differentiable in codebooks and scales.
at::Tensor AdditiveLoss(const at::Tensor& weight, const at::Tensor& moment,
                        const AdditiveCode& code);

/// Steps of Adam (betas 0 and 0.95, amsgrad) on codebooks and scales, with memory between calls.
class AdditiveTuner {
 public:
  AdditiveTuner(const at::Tensor& weight, const at::Tensor& moment, AdditiveCode* code, double lr);
  ~AdditiveTuner();
  AdditiveTuner(const AdditiveTuner&) = delete;
  AdditiveTuner& operator=(const AdditiveTuner&) = delete;

  /// The loss, of which gradients are left in the code's tensors.
  double Backward();
  void Step();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roundlab
