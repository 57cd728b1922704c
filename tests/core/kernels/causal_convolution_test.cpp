#include "core/kernels/causal_convolution.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

at::Tensor ByLoops(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& bias) {
  at::Tensor y = at::empty_like(x);
  const std::int64_t count = taps.size(1);
  for (std::int64_t t = 0; t < x.size(1); ++t) {
    at::Tensor sum = at::zeros_like(x.select(1, t)) + bias;
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t from = t - count + 1 + k;
      if (from >= 0) sum += x.select(1, from) * taps.select(1, k);
    }
    y.select(1, t).copy_(sum);
  }
  return y;
}

TEST(CausalConvolutionTest, EachTokenSeesTheLastOfItsText) {
  for (const std::int64_t taps : {1, 3, 4}) {
    for (const std::int64_t seq : {1, 2, 9}) {
      const at::Tensor x = RandomTensor({2, seq, 5}, 1);
      const at::Tensor weights = RandomTensor({5, taps}, 2);
      const at::Tensor bias = RandomTensor({5}, 3);
      const at::Tensor y = CausalConvolution(x, weights, bias, nullptr);
      EXPECT_TRUE(TensorNear(y, ByLoops(x, weights, bias), 1e-6, 0)) << taps << " " << seq;
    }
  }
}

TEST(CausalConvolutionTest, IsWhatLibtorchHas) {
  const at::Tensor x = RandomTensor({2, 7, 6}, 1);
  const at::Tensor taps = RandomTensor({6, 3}, 2);
  const at::Tensor wanted =
      at::conv1d(x.transpose(1, 2), taps.unsqueeze(1), {}, 1, 2, 1, 6).narrow(2, 0, 7);
  EXPECT_TRUE(TensorNear(CausalConvolution(x, taps, {}, nullptr), wanted.transpose(1, 2), 1e-6, 0));
}

TEST(CausalConvolutionTest, PackedTextsSeeTheirOwnTokens) {
  // "a b c d e" and "a b f" share two rows; "g" is alone.
  const at::Tensor x = RandomTensor({1, 7, 4}, 1);
  const at::Tensor taps = RandomTensor({4, 4}, 2);
  const std::vector<Segment> segments = {
      {{0, 2}, {}}, {{2, 3}, {{0, 2}}}, {{5, 1}, {{0, 2}}}, {{6, 1}, {}}};
  const at::Tensor packed = CausalConvolution(x, taps, {}, &segments).squeeze(0);
  const auto alone = [&](const std::vector<std::int64_t>& rows) {
    const at::Tensor text = x.index_select(1, at::tensor(rows));
    return CausalConvolution(text, taps, {}, nullptr).squeeze(0);
  };
  EXPECT_TRUE(TensorNear(packed.narrow(0, 0, 5), alone({0, 1, 2, 3, 4}), 0, 0));
  EXPECT_TRUE(TensorNear(packed[5], alone({0, 1, 5})[2], 0, 0));
  EXPECT_TRUE(TensorNear(packed[6], alone({6})[0], 0, 0));
}

}  // namespace
}  // namespace roundlab
