#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "core/model/description.h"
#include "experiments/bench/bench.h"

namespace roundlab {

at::ScalarType TorchType(BenchProducts products);

/// Normal numbers on the options' device from a generator of their own: the same for the same shape
/// and seed.
at::Tensor RandomTensor(const BenchOptions& options, at::IntArrayRef shape, std::uint64_t seed,
                        at::ScalarType dtype);

/// 128, or half of it, where that divides the columns of all layers, else 32.
std::int64_t GroupSize(const BlockPlan& plan);

/// Median seconds of `work`, after two times that are not counted.
double TimeWork(const BenchOptions& options, const std::function<void()>& work);

/// Begins to look for the most memory that is held, and what it was since; see
/// Benchmark::peak_bytes.
void WatchPeak(const at::Device& device);
std::int64_t PeakBytes(const at::Device& device);

/// On a GPU: two seconds of products. A card that has rested is faster than one at work by a tenth
/// and more, so that what is compared has to be timed on a hot one.
void Heat(const BenchOptions& options);

/// Seconds of the matrix products that a block can't do without, each timed alone. Attention's are
/// no more than those of the kernel in use (of forward_backward, what BlockBench finds).
struct BareProducts {
  double linear_forward = 0;
  double weight_gradient = 0;
  double input_gradient = 0;  ///< of layers that another layer feeds
  double attention_forward = 0;
  double attention_backward = 0;
};
BareProducts TimeProducts(const ModelDescription& model, const BenchOptions& options);

/// The Cholesky factors and matrix products that GPTQ of a weight [out, in] with a second moment
/// [in, in] can't do without; their results are dropped.
void GptqProducts(const at::Tensor& weight, const at::Tensor& hessian);

/// Appends the block's element-wise operations and attention, forward and backward, each alone.
void TimeOperations(const ModelDescription& model, const BenchOptions& options, Benchmark* result);

}  // namespace roundlab
