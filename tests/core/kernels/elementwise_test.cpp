#include "core/kernels/elementwise.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

namespace roundlab {
namespace {

using Floats = std::vector<float>;

constexpr double kEps = 0x1p-23;  // of float32

void ExpectNear(const Floats& actual, const std::vector<double>& expected, double relative) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], relative * (1 + std::fabs(expected[i]))) << i;
  }
}

/// Different numbers between -1.5 and 1.5.
Floats Wave(std::size_t count, double phase) {
  Floats numbers;
  for (std::size_t i = 0; i < count; ++i) {
    numbers.push_back(static_cast<float>(1.5 * std::sin(static_cast<double>(i * i) + phase)));
  }
  return numbers;
}

TEST(ElementwiseTest, RmsNormByHand) {
  const Floats x = {3, 4, 0, 0};
  const Floats weight = {1, 2};
  Floats y(4);
  Floats inverse(2);
  RmsNormForward(x.data(), weight.data(), 0.25F, 2, 2, y.data(), inverse.data());
  const double r = 1 / std::sqrt(12.5 + 0.25);
  ExpectNear(y, {3 * r, 8 * r, 0, 0}, 4 * kEps);
  ExpectNear(inverse, {r, 2}, 4 * kEps);
}

TEST(ElementwiseTest, RmsNormGradientsByHand) {
  const Floats x = {3, 4};
  const Floats weight = {1, 2};
  const Floats dy = {1, -1};
  const Floats inverse = {1 / std::sqrt(12.5F)};
  const RmsNormGradient in = {dy.data(), x.data(), weight.data(), inverse.data()};
  Floats dx(2);
  RmsNormBackward(in, 1, 2, dx.data());
  const double r = 1 / std::sqrt(12.5);
  const double shared = r * r * r / 2 * (1 * 1 * 3 - 1 * 2 * 4);
  ExpectNear(dx, {r - 3 * shared, -2 * r - 4 * shared}, 8 * kEps);
  Floats dw(2);
  RmsNormWeightBackward(in, 1, 2, dw.data());
  ExpectNear(dw, {3 * r, -4 * r}, 4 * kEps);
}

/// The gradient is at right angles to x where eps is 0: y does not change with x's length.
TEST(ElementwiseTest, RmsNormDoesNotSeeTheLengthOfARow) {
  for (const std::int64_t width : {1, 7, 16, 33}) {  // whole vectors of lanes, and rests
    const auto count = static_cast<std::size_t>(width);
    const Floats x = Wave(count, 0.3);
    const Floats weight = Wave(count, 1);
    const Floats dy = Wave(count, 2);
    Floats y(count);
    Floats inverse(1);
    RmsNormForward(x.data(), weight.data(), 0, 1, width, y.data(), inverse.data());
    Floats dx(count);
    RmsNormBackward({dy.data(), x.data(), weight.data(), inverse.data()}, 1, width, dx.data());
    double product = 0;
    for (std::size_t i = 0; i < count; ++i) {
      product += static_cast<double>(dx[i]) * static_cast<double>(x[i]);
    }
    EXPECT_NEAR(product, 0, 32 * kEps * static_cast<double>(width)) << width;
  }
}

/// More rows than a chunk of the sum has, on one thread and on two.
TEST(ElementwiseTest, RmsNormWeightGradientIsOneSumWithAnyNumberOfThreads) {
  constexpr std::int64_t kRows = 200;
  const Floats x = Wave(2 * kRows, 0);
  const Floats weight = {1, 1};
  const Floats dy = Wave(2 * kRows, 1);
  const Floats inverse(kRows, 0.5F);
  const auto gradient = [&](int threads) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    Floats dw(2);
    RmsNormWeightBackward({dy.data(), x.data(), weight.data(), inverse.data()}, kRows, 2,
                          dw.data());
    at::set_num_threads(before);
    return dw;
  };
  std::vector<double> exact(2);
  for (std::size_t i = 0; i < x.size(); ++i) {
    exact[i % 2] += static_cast<double>(dy[i]) * static_cast<double>(x[i]) * 0.5;
  }
  ExpectNear(gradient(1), exact, 100 * kEps);
  EXPECT_EQ(gradient(1), gradient(2));
}

TEST(ElementwiseTest, RopeTurnsPairsHalfAHeadApart) {
  // Two positions, one head of four: pair (0, 2) by a quarter turn, pair (1, 3) not at all.
  const Floats x = {1, 2, 3, 4, 5, 6, 7, 8};
  const Floats cosine = {1, 1, 0, 1};
  const Floats sine = {0, 0, 1, 0};
  const RopeShape shape = {1, 2, 1, 4};
  Floats y(8);
  Rope(x.data(), cosine.data(), sine.data(), shape, 1, y.data());
  EXPECT_EQ(y, (Floats{1, 2, 3, 4, -7, 6, 5, 8}));
  Floats back(8);
  Rope(y.data(), cosine.data(), sine.data(), shape, -1, back.data());
  EXPECT_EQ(back, x);
}

double Silu(double x) { return x / (1 + std::exp(-x)); }

TEST(ElementwiseTest, SwiGluByItsFormula) {
  for (const std::size_t count : {1U, 16U, 37U}) {
    Floats gate = Wave(count, 0);
    for (float& g : gate) g *= 10;
    const Floats up = Wave(count, 1);
    Floats y(count);
    SwiGluForward(gate.data(), up.data(), static_cast<std::int64_t>(count), y.data());
    std::vector<double> exact;
    for (std::size_t i = 0; i < count; ++i) exact.push_back(Silu(gate[i]) * up[i]);
    ExpectNear(y, exact, 8 * kEps);
  }
}

TEST(ElementwiseTest, SwiGluGradientsAreThoseOfItsFormula) {
  // At 0 silu is 0 with slope 1/2; far out it is x with slope 1, and 0 with slope 0.
  const Floats gate = {0, 30, -30, 1};
  const Floats up = {2, 3, 4, -1};
  const Floats dy = {1, 1, 1, 2};
  Floats d_gate(4);
  Floats d_up(4);
  SwiGluBackward({dy.data(), gate.data(), up.data()}, 4, d_gate.data(), d_up.data());
  const double s = 1 / (1 + std::exp(-1));
  ExpectNear(d_gate, {1, 3, 0, -2 * (s + s * (1 - s))}, 8 * kEps);
  ExpectNear(d_up, {0, 30, 0, 2 * s}, 8 * kEps);
}

}  // namespace
}  // namespace roundlab
