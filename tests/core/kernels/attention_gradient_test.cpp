#include "core/kernels/attention_gradient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include "core/kernels/bfloat16_gradient.h"
#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

struct GradientCase {
  std::int64_t batch;
  std::int64_t seq;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t dim;
  AttentionOptions options;
};

const std::vector<GradientCase> kGradientCases = {
    {1, 1, 1, 1, 8, {1, 0}},         {2, 37, 4, 2, 16, {0.25, 0}},
    {1, 200, 3, 1, 64, {0.1, 0}},    {3, 64, 2, 2, 24, {0.3, 0}},
    {1, 150, 4, 2, 80, {0.1, 20}},   {2, 65, 2, 1, 32, {0.2, 1}},
    {1, 130, 2, 2, 32, {0.2, 500}},  {2, 150, 4, 2, 16, {0.2, 0, 40}},
    {1, 80, 2, 1, 16, {0.2, 7, 40}}, {2, 30, 2, 2, 8, {0.2, 0, 40}}};

/// Gradients of q, k and v of sum(attention * dy) in libtorch's own operations and float64.
std::vector<at::Tensor> Reference(std::vector<at::Tensor> inputs, const at::Tensor& dy,
                                  const AttentionOptions& options) {
  for (at::Tensor& x : inputs) x = x.detach().to(at::kDouble).requires_grad_();
  const at::Tensor y = reference::CausalAttention(inputs[0], inputs[1], inputs[2], options);
  (y * dy.to(at::kDouble)).sum().backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& x : inputs) gradients.push_back(x.grad().to(at::kFloat));
  return gradients;
}

TEST(CausalAttentionTest, ValueAndGradientsAsReference) {
  for (const GradientCase& c : kGradientCases) {
    SCOPED_TRACE(std::to_string(c.seq) + " tokens, " + std::to_string(c.heads) + " heads of " +
                 std::to_string(c.dim));
    const at::Tensor q = RandomTensor({c.batch, c.seq, c.heads, c.dim}, 1).requires_grad_();
    const at::Tensor k = RandomTensor({c.batch, c.seq, c.kv_heads, c.dim}, 2).requires_grad_();
    const at::Tensor v = RandomTensor({c.batch, c.seq, c.kv_heads, c.dim}, 3).requires_grad_();
    const at::Tensor dy = RandomTensor({c.batch, c.seq, c.heads, c.dim}, 4);
    const at::Tensor y = CausalAttention(q, k, v, c.options);
    const at::Tensor expected = reference::CausalAttention(q.to(at::kDouble), k.to(at::kDouble),
                                                           v.to(at::kDouble), c.options);
    EXPECT_TRUE(TensorNear(y.detach(), expected.detach().to(at::kFloat), 2e-6, 1e-5));
    (y * dy).sum().backward();
    const auto gradients = Reference({q.detach(), k.detach(), v.detach()}, dy, c.options);
    EXPECT_TRUE(TensorNear(q.grad(), gradients[0], 1e-5, 1e-5));
    EXPECT_TRUE(TensorNear(k.grad(), gradients[1], 1e-5, 1e-5));
    EXPECT_TRUE(TensorNear(v.grad(), gradients[2], 1e-5, 1e-5));
  }
}

TEST(CausalAttentionTest, ByHand) {
  // Two tokens, one dimension, q = 0: the second row is the mean of both values.
  const at::Tensor q = at::zeros({1, 2, 1, 1}).requires_grad_();
  const at::Tensor k = at::tensor({1.0F, 3.0F}).view({1, 2, 1, 1}).requires_grad_();
  const at::Tensor v = at::tensor({2.0F, 6.0F}).view({1, 2, 1, 1}).requires_grad_();
  const at::Tensor y = CausalAttention(q, k, v, {1, 0});
  EXPECT_TRUE(TensorNear(y.detach().flatten(), at::tensor({2.0F, 4.0F}), 0, 0));
  y.flatten()[1].backward();
  // d y / d q = p0 p1 (v1 - v0) (k1 - k0) = 0.25 * 4 * 2; d y / d k = q (...) = 0.
  EXPECT_TRUE(TensorNear(q.grad().flatten(), at::tensor({0.0F, 2.0F}), 1e-6, 0));
  EXPECT_TRUE(TensorNear(k.grad().flatten(), at::tensor({0.0F, 0.0F}), 1e-6, 0));
  EXPECT_TRUE(TensorNear(v.grad().flatten(), at::tensor({0.5F, 0.5F}), 1e-6, 0));
}

TEST(CausalAttentionTest, SixteenBitsAreComputedInFloat32) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    for (const GradientCase& c : kGradientCases) {
      SCOPED_TRACE(std::to_string(c.seq) + " tokens of " + c10::toString(dtype));
      std::vector<at::Tensor> narrow;
      for (const std::int64_t heads : {c.heads, c.kv_heads, c.kv_heads}) {
        narrow.push_back(
            RandomTensor({c.batch, c.seq, heads, c.dim}, narrow.size()).to(dtype).requires_grad_());
      }
      const at::Tensor dy = RandomTensor({c.batch, c.seq, c.heads, c.dim}, 4).to(dtype);
      const at::Tensor y = CausalAttention(narrow[0], narrow[1], narrow[2], c.options);
      EXPECT_EQ(y.scalar_type(), dtype);
      (y * dy).sum().backward();
      const double half_unit = dtype == at::kHalf ? 1.0 / 2048 : 1.0 / 256;
      // Weights of many keys are right to 2^-17 on tile units.
      const double tiny = dtype == at::kHalf || c.seq < 100 ? 1e-6 : 3e-6;
      const at::Tensor exact =
          reference::CausalAttention(narrow[0].to(at::kDouble), narrow[1].to(at::kDouble),
                                     narrow[2].to(at::kDouble), c.options);
      EXPECT_TRUE(TensorNear(y.detach().to(at::kFloat), exact.detach().to(at::kFloat), tiny,
                             1.01 * half_unit));  // rounded once
      const auto gradients = Reference({narrow[0], narrow[1], narrow[2]}, dy, c.options);
      for (std::size_t i = 0; i < narrow.size(); ++i) {
        EXPECT_TRUE(
            TensorNear(narrow[i].grad().to(at::kFloat), gradients[i], 1e-5, 1.01 * half_unit));
      }
    }
  }
}

TEST(CausalAttentionTest, ThreadsDoNotMatter) {
  for (const auto& [dtype, backward] : {std::pair(at::kFloat, &CausalAttentionBackward),
                                        std::pair(at::kBFloat16, &Bfloat16AttentionBackward)}) {
    const at::Tensor q = RandomTensor({2, 90, 4, 32}, 1).to(dtype);
    const at::Tensor k = RandomTensor({2, 90, 2, 32}, 2).to(dtype);
    const at::Tensor dy = RandomTensor({2, 90, 4, 32}, 3).to(dtype);
    const int threads = at::get_num_threads();
    const auto all = backward(q, k, k, dy, {0.2, 0});
    at::set_num_threads(1);
    const auto one = backward(q, k, k, dy, {0.2, 0});
    at::set_num_threads(threads);
    EXPECT_TRUE(at::equal(all.q, one.q) && at::equal(all.k, one.k) && at::equal(all.v, one.v));
  }
}

TEST(CausalAttentionTest, ShapesMustFit) {
  const at::Tensor q = at::zeros({1, 4, 3, 16});
  const at::Tensor k = at::zeros({1, 4, 2, 16});
  EXPECT_THROW(CausalAttentionBackward(q, k, k, q, {}), std::logic_error);
  EXPECT_THROW(CausalAttention(q, k, k, {}), std::logic_error);
}

}  // namespace
}  // namespace roundlab
