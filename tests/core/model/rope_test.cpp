#include "core/model/rope.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

TEST(RopeTest, LinearDividesAnglesByItsFactor) {
  RopeDescription rope;
  rope.type = RopeType::kLinear;
  rope.factor = 4;
  rope.theta = 100;
  const RopeTable table = MakeRopeTable(rope, 8, 12);
  at::Tensor cosine = at::empty({12, 4}, at::kDouble);
  at::Tensor sine = at::empty({12, 4}, at::kDouble);
  for (int t = 0; t < 12; ++t) {
    for (int k = 0; k < 4; ++k) {
      const double angle = t * std::pow(100.0, -2.0 * k / 8) / 4;
      cosine[t][k] = std::cos(angle);
      sine[t][k] = std::sin(angle);
    }
  }
  // Angles up to 3 in float32.
  EXPECT_TRUE(TensorNear(table.cosine.to(at::kDouble), cosine, 1e-6, 0));
  EXPECT_TRUE(TensorNear(table.sine.to(at::kDouble), sine, 1e-6, 0));
}

TEST(RopeTest, ProportionalTurnsAShareOfTheDimensions) {
  RopeDescription rope;
  rope.type = RopeType::kProportional;
  rope.theta = 100;
  rope.factor = 2;
  rope.share = 0.6;  // of 8 dimensions 4.8: two pairs
  const RopeTable table = MakeRopeTable(rope, 8, 12);
  at::Tensor cosine = at::ones({12, 4}, at::kDouble);
  for (int t = 0; t < 12; ++t) {
    for (int k = 0; k < 2; ++k) cosine[t][k] = std::cos(t * std::pow(100.0, -2.0 * k / 8) / 2);
  }
  EXPECT_TRUE(TensorNear(table.cosine.to(at::kDouble), cosine, 1e-6, 0));
  EXPECT_TRUE(table.sine.narrow(1, 2, 2).eq(0).all().item<bool>());
}

TEST(RopeTest, Llama3DividesLongWavelengthsAndKeepsShortOnes) {
  RopeDescription rope;
  rope.type = RopeType::kLlama3;
  rope.theta = 10000;
  rope.factor = 8;
  rope.low_freq_factor = 1;
  rope.high_freq_factor = 4;
  rope.original_positions = 64;
  const RopeTable table = MakeRopeTable(rope, 16, 2);  // row 1: the frequencies themselves
  for (int k = 0; k < 8; ++k) {
    const double plain = std::pow(10000.0, -k / 8.0);
    const double wavelength = 2 * M_PI / plain;
    double expected = plain;
    if (wavelength > 64) {
      expected = plain / 8;
    } else if (wavelength >= 16) {
      const double blend = (64 / wavelength - 1) / 3;
      expected = (1 - blend) * plain / 8 + blend * plain;
    }
    EXPECT_NEAR(table.sine[1][k].item<double>(), std::sin(expected), 1e-6) << k;
  }
}

TEST(RopeTest, DivisorsDivideEachFrequency) {
  RopeDescription rope;
  rope.divisors = {1, 2, 4, 8};
  const RopeTable table = MakeRopeTable(rope, 8, 2);
  for (int k = 0; k < 4; ++k) {
    const double angle = std::pow(10000.0, -2.0 * k / 8) / (1 << k);
    EXPECT_NEAR(table.cosine[1][k].item<double>(), std::cos(angle), 1e-6) << k;
  }
}

// llama.cpp: theta / freq_factor * freq_scale (ggml_rope_ext).
TEST(RopeTest, AFactorStretchesFrequenciesThatAreDividedToo) {
  RopeDescription rope;
  rope.divisors = {1, 8};
  rope.type = RopeType::kLinear;
  rope.factor = 4;
  const at::Tensor expected = at::tensor({std::sin(1.0F / 4), std::sin(0.01F / 8 / 4)});
  EXPECT_TRUE(TensorNear(MakeRopeTable(rope, 4, 2).sine[1], expected, 1e-7, 0));
}

TEST(RopeTest, TemperGrowsWithPositions) {
  ModelDescription model;
  model.layers = 1;
  model.temper = TemperDescription{0.5, 3, 1};
  model.block_plan = [](const ModelDescription&, std::int64_t) {
    BlockPlan plan;
    plan.attention.rotary = RotaryStyle::kNone;
    return plan;
  };
  const RopeTable table = MakeRopeTable(model, 6);
  EXPECT_FALSE(table.cosine.defined());
  const auto second = static_cast<float>(1 + 0.5 * std::log(2.0));
  const auto third = static_cast<float>(1 + 0.5 * std::log(3.0));
  const at::Tensor expected = at::tensor({1.0F, 1.0F, second, second, second, third});
  EXPECT_TRUE(TensorNear(table.temper, expected, 1e-6, 0));
  const at::Tensor places = at::tensor({5, 0}, at::kLong);
  EXPECT_TRUE(TensorNear(table.Select(places).temper, at::tensor({third, 1.0F}), 1e-6, 0));
}

}  // namespace
}  // namespace roundlab
