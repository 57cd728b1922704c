#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "core/kernels/cuda/fused.h"
#include "core/kernels/cuda/load.h"
#include "core/kernels/cuda/without_gradient.h"
#include "core/kernels/range_quant.h"
#include "tests/core/kernels/cuda_kernels.h"
#include "tests/support/gpu.h"
#include "tests/support/random_tensor.h"

// The CUDA kernels against ATen's operations: everywhere as compiled for the host, and on a GPU
// where there is one.

namespace roundlab::testing {

using Tensors = std::vector<at::Tensor>;
using Op = std::function<at::Tensor(const Tensors&)>;

/// Where the kernels run.
struct Place {
  const cuda::Kernels* kernels;
  at::Device device;
};

class CudaFusedTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) return;
    ROUNDLAB_NEEDS_GPU();
    if (cuda::LoadKernels() == nullptr) GTEST_SKIP() << cuda::KernelsProblem();
    place_ = {cuda::LoadKernels(), {at::kCUDA, 0}};
  }

  const cuda::Kernels& Kernels() const { return *place_.kernels; }
  at::Tensor Put(const at::Tensor& t) const { return t.defined() ? t.to(place_.device) : t; }
  RangeQuant PutRange(RangeQuant q) const {
    for (at::Tensor* t : {&q.weight, &q.offset, &q.low, &q.high, &q.low_factor, &q.high_factor}) {
      *t = Put(*t);
    }
    return q;
  }

  /// [value, gradient of each input in `trained`] under sum(op(inputs) * weights), on the CPU.
  Tensors Evaluate(const Op& op, const Tensors& inputs, const std::vector<std::size_t>& trained) {
    Tensors leaves;
    for (const at::Tensor& input : inputs) {
      leaves.push_back(input.defined() ? Put(input.detach()).clone() : input);
    }
    for (const std::size_t i : trained) leaves[i].requires_grad_(true);
    const at::Tensor y = op(leaves);
    const at::Tensor weights = Put(RandomTensor(y.sizes(), 99)).to(y.scalar_type());
    y.backward(weights);
    Tensors results = {y.detach().cpu()};
    for (const std::size_t i : trained) results.push_back(leaves[i].grad().cpu());
    return results;
  }

  Place place_{&HostKernels(), at::kCPU};
};

/// Roundings of a value to `dtype` that a bound allows.
inline double Eps(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return 1.0 / 128;
  return dtype == at::kHalf ? 1.0 / 1024 : 1.0 / (1 << 22);
}

inline const std::vector<at::ScalarType> kDtypes = {at::kFloat, at::kHalf, at::kBFloat16};

// A group a lane, part of a warp, a warp with turns; widths that are not read four at a time.
inline const std::vector<std::pair<std::int64_t, std::int64_t>> kWarpShapes = {
    {1, 1}, {3, 15}, {5, 16}, {7, 17}, {9, 32}, {5, 64}, {13, 128}, {2, 1000}, {3, 131}};

}  // namespace roundlab::testing
