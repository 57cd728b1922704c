#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace roundlab {

/// What a part wants to know of the tensors that feed linear layers. The pipeline gathers the union
/// of all parts' wishes in one pass over the calibration sequences.
struct StatisticsKinds {
  bool mean = false;  ///< of each channel, as the next three
  bool absolute_mean = false;
  bool absolute_max = false;
  bool square_mean = false;
  bool second_moment = false;  ///< sum of x x^T
  bool cross_moment = false;   ///< sum of (x_fp - x) x^T
  bool in_double = false;      ///< sums of products in float64
  /// Rows of the input itself, taken evenly: so many to one less than twice that, where there are
  /// as many (mit-han-lab/llm-awq).
  std::int64_t sample = 0;

  bool Channels() const { return mean || absolute_mean || absolute_max || square_mean; }
  bool Any() const { return Channels() || second_moment || cross_moment || sample > 0; }
  StatisticsKinds operator|(const StatisticsKinds& other) const;
};

/// Where a part's inputs are measured.
enum class Chain {
  kQuantized,  ///< behind the blocks that are rounded so far
  kOriginal,   ///< in the model as it was
};

/// What is known of the tensor x [tokens, in] that feeds a layer. Tensors that nobody asked for are
/// undefined. float32, but for sums of products where float64 was asked for.
struct InputStatistics {
  std::int64_t tokens = 0;
  at::Tensor mean;           ///< [in]
  at::Tensor absolute_mean;  ///< [in], mean |x|
  at::Tensor absolute_max;   ///< [in], max |x|
  at::Tensor square_mean;    ///< [in], mean x^2
  at::Tensor second_moment;  ///< [in, in], sum over tokens of x x^T
  at::Tensor cross_moment;   ///< [in, in], sum of (x_fp - x) x^T, x_fp of the unquantized model
  at::Tensor sample;         ///< [some tokens, in]

  /// Channels that were 0 in all tokens; none where nothing tells.
  std::optional<std::int64_t> DeadColumns() const;
  InputStatistics To(const at::Device& device) const;
};

/// Sums over the inputs of one layer, portion by portion.
class InputAccumulator {
 public:
  /// `tokens`: how many there will be, for the spacing of the sample.
  InputAccumulator(const StatisticsKinds& kinds, std::int64_t tokens);

  /// inputs: [..., in]; original: the same of the unquantized model, where cross_moment wants it.
  void Add(const at::Tensor& inputs, const at::Tensor& original = {});
  InputStatistics Finish() const;

 private:
  void AddChannels(const at::Tensor& x);  // [tokens, in] float32

  StatisticsKinds kinds_;
  std::int64_t stride_;
  std::int64_t tokens_ = 0;
  at::Tensor sum_;
  at::Tensor absolute_sum_;
  at::Tensor square_sum_;
  at::Tensor largest_;
  at::Tensor second_moment_;
  at::Tensor cross_moment_;
  std::vector<at::Tensor> sample_;
};

/// tr(W H W^T), some rows at a time: |X W^T|^2 over all tokens of H = X^T X. weight [out, in].
double OutputEnergy(const at::Tensor& weight, const at::Tensor& second_moment);

}  // namespace roundlab
