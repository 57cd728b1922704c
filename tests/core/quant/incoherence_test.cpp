#include "core/quant/incoherence.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

at::Tensor Doubles(at::IntArrayRef shape, std::uint64_t seed) {
  return RandomTensor(shape, seed).to(at::kDouble);
}

TEST(IncoherenceTest, MixingIsASymmetricRotationOfLikeEntries) {
  for (const std::int64_t n : {1, 2, 3, 8, 12, 15, 96, 576}) {
    SCOPED_TRACE(n);
    const at::Tensor identity = at::eye(n, at::kDouble);
    const at::Tensor t = HadamardTransform(identity);
    EXPECT_TRUE(TensorNear(t, t.t(), 1e-13, 0));
    EXPECT_TRUE(TensorNear(at::mm(t, t), identity, 1e-12, 0));
    EXPECT_LE(t.abs().max().item<double>(), std::sqrt(2.0 / static_cast<double>(n)) + 1e-12);
  }
  // Sylvester's matrix of 4 in halves.
  const at::Tensor four =
      at::tensor({1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1}, at::kDouble);
  EXPECT_TRUE(at::equal(HadamardTransform(at::eye(4, at::kDouble)), four.view({4, 4}) / 2));
}

TEST(IncoherenceTest, ThereAndBackKeepsWeightsAndLosses) {
  IncoherentBasis basis = RandomBasis(6, 20, 3);
  for (const bool scaled : {false, true}) {
    if (scaled) basis.column_scale = Doubles({20}, 5).exp();
    const at::Tensor weight = Doubles({6, 20}, 1);
    const at::Tensor mixed = ToIncoherent(weight, basis);
    EXPECT_TRUE(TensorNear(FromIncoherent(mixed, basis), weight, 1e-12, 0));
    const at::Tensor x = Doubles({50, 20}, 2);
    const at::Tensor moment = at::mm(x.t(), x);
    const at::Tensor there = MomentInBasis(moment, basis);
    const auto loss = [](const at::Tensor& w, const at::Tensor& h) {
      return (at::mm(w, h) * w).sum().item<double>();
    };
    EXPECT_NEAR(loss(mixed, there), loss(weight, moment), 1e-9 * loss(weight, moment));
  }
}

TEST(IncoherenceTest, ASpikeIsSpread) {
  at::Tensor weight = at::zeros({16, 64});
  weight[3][5] = 1;
  const at::Tensor mixed = ToIncoherent(weight, RandomBasis(16, 64, 1));
  EXPECT_TRUE(TensorNear(mixed.abs(), at::full({16, 64}, 1 / 32.0F), 1e-7, 0));
}

}  // namespace
}  // namespace roundlab
