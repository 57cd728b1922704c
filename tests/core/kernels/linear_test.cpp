#include "core/kernels/linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

struct Gradients {
  at::Tensor y;
  at::Tensor x;
  at::Tensor weight;
  at::Tensor bias;
};

/// Of sum(y * direction).
Gradients Of(GradientPrecision precision, const at::Tensor& x, const at::Tensor& weight,
             const at::Tensor& bias, const at::Tensor& direction) {
  const at::Tensor a = x.detach().clone().requires_grad_(true);
  const at::Tensor w = weight.detach().clone().requires_grad_(true);
  const at::Tensor b = bias.detach().clone().requires_grad_(true);
  const at::Tensor y = Linear(a, w, b, {precision});
  (y * direction).sum().backward();
  return {y.detach(), a.grad(), w.grad(), b.grad()};
}

const std::vector<GradientPrecision> kFewerBits = {
    GradientPrecision::kBFloat16, GradientPrecision::kFloat8, GradientPrecision::kInt8};

TEST(LinearTest, OnlyTheWeightsGradientChanges) {
  const at::Tensor x = RandomTensor({2, 24, 16}, 1);
  const at::Tensor weight = RandomTensor({32, 16}, 2);
  const at::Tensor bias = RandomTensor({32}, 3);
  const at::Tensor dy = RandomTensor({2, 24, 32}, 4);
  const Gradients exact = Of(GradientPrecision::kProducts, x, weight, bias, dy);
  for (const GradientPrecision precision : kFewerBits) {
    SCOPED_TRACE(static_cast<int>(precision));
    const Gradients made = Of(precision, x, weight, bias, dy);
    EXPECT_TRUE(at::equal(made.y, exact.y));
    EXPECT_TRUE(TensorNear(made.x, exact.x, 1e-5, 1e-5));
    EXPECT_TRUE(TensorNear(made.bias, exact.bias, 1e-5, 1e-5));
    EXPECT_FALSE(at::equal(made.weight, exact.weight));
    const double error = ((made.weight - exact.weight).norm() / exact.weight.norm()).item<double>();
    EXPECT_LT(error, precision == GradientPrecision::kFloat8 ? 0.1 : 0.02);
  }
}

// Powers of two and small integers that all three hold: no rounding, the exact product.
TEST(LinearTest, WhatFewBitsHoldIsExact) {
  const at::Tensor x = at::tensor({1.0F, -2.0F, 0.0F, 4.0F, -4.0F, 2.0F}).view({3, 2});
  const at::Tensor dy = at::tensor({1.0F, 0.0F, -1.0F, 0.0F, 1.0F, 0.0F}).view({3, 2});
  const at::Tensor weight = at::ones({2, 2});
  const at::Tensor by_hand = at::tensor({-3.0F, -4.0F, 0.0F, 0.0F}).view({2, 2});
  for (const GradientPrecision precision :
       {GradientPrecision::kProducts, GradientPrecision::kBFloat16, GradientPrecision::kFloat8}) {
    SCOPED_TRACE(static_cast<int>(precision));
    const Gradients made = Of(precision, x, weight, at::zeros({2}), dy);
    EXPECT_TRUE(TensorNear(made.weight, by_hand, 1e-5, 0));
  }
}

// By brute force: codes of +-127 a column, whole sums, both scales.
TEST(LinearTest, Int8IsWholeNumbersAtAScaleAColumn) {
  for (const std::int64_t tokens : {20, 2100}) {
    SCOPED_TRACE(tokens);
    const at::Tensor x = RandomTensor({tokens, 16}, 5, 3.0);
    const at::Tensor dy = RandomTensor({tokens, 16}, 6, 1e-4);
    const Gradients made =
        Of(GradientPrecision::kInt8, x, RandomTensor({16, 16}, 7), at::zeros({16}), dy);
    const at::Tensor x_scale = x.abs().amax(0) / 127;
    const at::Tensor y_scale = dy.abs().amax(0) / 127;
    const at::Tensor x_codes = (x / x_scale).round().to(at::kDouble);
    const at::Tensor y_codes = (dy / y_scale).round().to(at::kDouble);
    at::Tensor sum = at::zeros({16, 16}, at::kDouble);
    for (std::int64_t t = 0; t < tokens; ++t) sum += at::outer(y_codes[t], x_codes[t]);
    const at::Tensor expected = sum * at::outer(y_scale, x_scale).to(at::kDouble);
    EXPECT_TRUE(TensorNear(made.weight, expected.to(at::kFloat), 0, 1e-5));
  }
}

// An expert that a batch sends no token to.
TEST(LinearTest, OfNoTokensTheGradientIsZero) {
  for (const GradientPrecision precision : kFewerBits) {
    const Gradients made = Of(precision, at::zeros({0, 16}), RandomTensor({32, 16}, 2),
                              at::zeros({32}), at::zeros({0, 32}));
    EXPECT_TRUE(at::equal(made.weight, at::zeros({32, 16})));
  }
}

TEST(LinearTest, ABiasMayBeMissing) {
  const at::Tensor x = RandomTensor({24, 16}, 11);
  const at::Tensor weight = RandomTensor({16, 16}, 12).requires_grad_(true);
  const at::Tensor y = Linear(x, weight, {}, {GradientPrecision::kBFloat16});
  EXPECT_TRUE(at::equal(y.detach(), at::linear(x, weight.detach())));
  y.sum().backward();
  EXPECT_TRUE(TensorNear(weight.grad(), x.sum(0).expand({16, 16}), 0.1, 0.02));
}

struct Narrow {
  at::ScalarType dtype;
  double unit;  // of the last place
};

class NarrowLinearTest : public ::testing::TestWithParam<Narrow> {};

// Sums in float32, rounded once, whatever is multiplied in.
TEST_P(NarrowLinearTest, IsTheFloat32ProductRounded) {
  const auto [dtype, unit] = GetParam();
  const auto narrow = [dtype = dtype](const at::Tensor& t) { return t.to(dtype); };
  const at::Tensor x = narrow(RandomTensor({2, 24, 300}, 1));
  const at::Tensor weight = narrow(RandomTensor({32, 300}, 2));
  const at::Tensor bias = narrow(RandomTensor({32}, 3));
  const at::Tensor dy = narrow(RandomTensor({2, 24, 32}, 4));
  for (const GradientPrecision precision :
       {GradientPrecision::kProducts, GradientPrecision::kBFloat16}) {
    SCOPED_TRACE(static_cast<int>(precision));
    const Gradients made = Of(precision, x, weight, bias, dy);
    const Gradients wide = Of(precision, x.to(at::kFloat), weight.to(at::kFloat),
                              bias.to(at::kFloat), dy.to(at::kFloat));
    EXPECT_TRUE(TensorNear(made.y.to(at::kFloat), wide.y, 1e-4, unit));
    EXPECT_TRUE(TensorNear(made.x.to(at::kFloat), wide.x, 1e-4, unit));
    EXPECT_TRUE(TensorNear(made.weight.to(at::kFloat), wide.weight, 1e-4, unit));
    EXPECT_EQ(made.y.scalar_type(), dtype);
    EXPECT_EQ(made.weight.scalar_type(), dtype);
  }
  EXPECT_EQ(ProductDtype(dtype, at::Device(at::kCUDA)), dtype);
  EXPECT_EQ(ProductDtype(at::kFloat, at::Device(at::kCPU)), at::kFloat);
}

INSTANTIATE_TEST_SUITE_P(All, NarrowLinearTest,
                         ::testing::Values(Narrow{at::kHalf, 1.0 / 1024},
                                           Narrow{at::kBFloat16, 1.0 / 128}));

TEST(LinearTest, WhatIsNotFiniteStaysSo) {
  const at::Tensor x = RandomTensor({24, 16}, 8);
  at::Tensor dy = RandomTensor({24, 16}, 9);
  dy[3][5] = std::numeric_limits<float>::quiet_NaN();
  for (const GradientPrecision precision : kFewerBits) {
    SCOPED_TRACE(static_cast<int>(precision));
    const at::Tensor gradient =
        Of(precision, x, RandomTensor({16, 16}, 10), at::zeros({16}), dy).weight;
    EXPECT_TRUE(gradient[5].isnan().all().item<bool>());
    EXPECT_TRUE(gradient[4].isfinite().all().item<bool>());
  }
}

TEST(LinearTest, SequencesAddTheirGradientsOneAfterTheOther) {
  const at::Tensor weight = RandomTensor({32, 16}, 2).requires_grad_(true);
  const at::Tensor x = RandomTensor({5, 24, 16}, 1);
  const at::Tensor dy = RandomTensor({5, 24, 32}, 4);
  const auto sum_of = [&](std::int64_t first, std::int64_t count, const at::Tensor& sum) {
    at::Tensor part = x.narrow(0, first, count).clone().requires_grad_(true);
    const at::Tensor y = Linear(part, weight, {}, {.gradient_sum = sum});
    y.backward(dy.narrow(0, first, count));
    return std::vector<at::Tensor>{y.detach(), part.grad()};
  };
  at::Tensor whole = at::zeros({32, 16});
  const auto all = sum_of(0, 5, whole);
  const Gradients plain = Of(GradientPrecision::kProducts, x, weight, at::zeros({32}), dy);
  EXPECT_TRUE(TensorNear(all[0], plain.y, 1e-5, 1e-5));
  EXPECT_TRUE(TensorNear(all[1], plain.x, 1e-5, 1e-5));
  EXPECT_TRUE(TensorNear(whole, plain.weight, 1e-4, 1e-5));
  EXPECT_FALSE(weight.grad().defined());
  at::Tensor parts = at::zeros({32, 16});
  const auto first = sum_of(0, 2, parts);
  const auto second = sum_of(2, 3, parts);
  EXPECT_TRUE(at::equal(parts, whole));
  EXPECT_TRUE(at::equal(at::cat({first[0], second[0]}), all[0]));
  EXPECT_TRUE(at::equal(at::cat({first[1], second[1]}), all[1]));
  // Rows without a batch are one sequence.
  at::Tensor rows = at::zeros({32, 16});
  Linear(x[0], weight, {}, {.gradient_sum = rows}).backward(dy[0]);
  EXPECT_TRUE(TensorNear(rows, dy[0].t().matmul(x[0]), 1e-5, 1e-5));
}

}  // namespace
}  // namespace roundlab
