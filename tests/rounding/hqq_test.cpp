#include "rounding/solvers/hqq.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::MakeLayer;
using testing::RandomWeight;
using testing::TensorNear;

at::Tensor Decode(const HqqSolution& s) {
  return s.scale.unsqueeze(1) * (s.codes.to(at::kFloat) - s.zero.unsqueeze(1));
}

TEST(HqqTest, LowersTheErrorItStopsBy) {
  const at::Tensor groups = RandomWeight(64, 64, 1);
  for (const double code_max : {3.0, 15.0}) {
    HqqSettings settings;
    settings.code_max = code_max;
    const HqqSolution found = SolveHqq(groups, settings);
    ASSERT_GE(found.errors.size(), 2U);
    settings.iterations = 0;
    const HqqSolution start = SolveHqq(groups, settings);
    EXPECT_TRUE(start.errors.empty());
    const auto error = [&](const HqqSolution& s) {
      return (Decode(s) - groups).abs().mean().item<double>();
    };
    EXPECT_LT(error(found), error(start));
    EXPECT_TRUE(TensorNear(found.scale, start.scale, 0, 0));
  }
}

TEST(HqqTest, ConstantGroupsAreExact) {
  const at::Tensor groups = at::tensor({0.0F, 0.3F, -7.5F}).unsqueeze(1).repeat({1, 16});
  EXPECT_TRUE(TensorNear(Decode(SolveHqq(groups, {})), groups, 0, 0));
}

TEST(HqqTest, KeepsTheNumbersOfItsScaleType) {
  HqqSettings settings;
  settings.dtype = at::kHalf;
  const HqqSolution s = SolveHqq(RandomWeight(64, 64, 1), settings);
  EXPECT_TRUE(TensorNear(s.scale.to(at::kHalf).to(at::kFloat), s.scale, 0, 0));
  EXPECT_TRUE(TensorNear(s.zero.to(at::kHalf).to(at::kFloat), s.zero, 0, 0));
}

QuantizedWeight FinishHqq(const std::string& recipe, const LayerContext& layer) {
  return RoundingSchemes().FromText(recipe).make()->Begin(layer)->Finish();
}

TEST(HqqSchemeTest, BeatsNearestCodesOnTheSameGrid) {
  const at::Tensor weight = RandomWeight(32, 128, 1);
  for (const std::int64_t bits : {2, 3, 4}) {
    const LayerContext layer =
        MakeLayer(weight, {bits, 32, GridKind::kFloatZero, ScaleType::kFloat16});
    const auto error = [&](const std::string& recipe) {
      const at::Tensor gap = FinishHqq(recipe, layer).Dequantize() - weight;
      return gap.abs().pow(0.7).mean().item<double>();
    };
    EXPECT_LT(error("type: hqq\nround_zero: never"), error("type: hqq\niterations: 0")) << bits;
  }
}

TEST(HqqSchemeTest, StartsFromIntegersAtFourBits) {
  const at::Tensor weight = RandomWeight(8, 64, 1);
  for (const std::int64_t bits : {3, 4}) {
    const LayerContext layer =
        MakeLayer(weight, {bits, 32, GridKind::kFloatZero, ScaleType::kFloat32});
    const at::Tensor start = FinishHqq("type: hqq\niterations: 0", layer).zero;
    EXPECT_EQ(at::equal(start, start.round()), bits == 4);
  }
}

TEST(HqqSchemeTest, NarrowerLastGroupsAreSolvedByThemselves) {
  const at::Tensor weight = RandomWeight(8, 100, 1);
  const QuantSpec spec{3, 24, GridKind::kFloatZero, ScaleType::kFloat32};
  const QuantizedWeight all = FinishHqq("type: hqq", MakeLayer(weight, spec));
  const auto part = [&](std::int64_t begin, std::int64_t count) {
    return FinishHqq("type: hqq", MakeLayer(weight.narrow(1, begin, count).contiguous(), spec));
  };
  EXPECT_TRUE(TensorNear(all.codes.narrow(1, 0, 96), part(0, 96).codes, 0, 0));
  EXPECT_TRUE(TensorNear(all.codes.narrow(1, 96, 4), part(96, 4).codes, 0, 0));
  EXPECT_TRUE(TensorNear(all.zero.narrow(1, 4, 1), part(96, 4).zero, 0, 0));
}

/// The package: W.reshape(group_size, -1), a scale and zero point for each of its columns.
TEST(HqqSchemeTest, Axis0SolvesTheColumnsOfTheReshapedMatrix) {
  const at::Tensor weight = RandomWeight(8, 60, 1);
  for (const std::int64_t group : {std::int64_t{4}, std::int64_t{24}, std::int64_t{-1}}) {
    SCOPED_TRACE(group);
    const QuantSpec spec{3, group, GridKind::kFloatZero, ScaleType::kFloat32};
    const QuantizedWeight w = FinishHqq("type: hqq\naxis: 0", MakeLayer(weight, spec));
    const std::int64_t rows = group == -1 ? 8 : group;
    const at::Tensor columns = weight.reshape({rows, -1});
    HqqSettings settings;
    settings.code_max = 7;
    const HqqSolution plain = SolveHqq(columns.t().contiguous(), settings);
    EXPECT_TRUE(at::equal(w.codes.reshape({rows, -1}), plain.codes.t()));
    const at::Tensor decoded = plain.scale * (plain.codes.t().to(at::kFloat) - plain.zero);
    EXPECT_TRUE(at::equal(w.Dequantize(), decoded.reshape({8, 60})));
    EXPECT_EQ(w.scale.sizes(), (at::IntArrayRef{1, 480 / rows}));
    EXPECT_DOUBLE_EQ(w.BitsPerWeight(), 3 + 64.0 / static_cast<double>(rows));
  }
}

TEST(HqqSchemeTest, Axis0NeedsGroupsThatFillTheMatrix) {
  const QuantSpec spec{3, 25, GridKind::kFloatZero, ScaleType::kFloat32};
  try {
    FinishHqq("type: hqq\naxis: 0", MakeLayer(RandomWeight(8, 60, 1), spec));
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "layer: scheme 'hqq' with axis 0 needs a group_size that divides the 8 x 60 "
                 "weights, got 25");
  }
}

TEST(HqqSchemeTest, RefusesOtherRangesAndBadWeights) {
  LayerContext layer =
      MakeLayer(RandomWeight(8, 64, 1), {3, 32, GridKind::kFloatZero, ScaleType::kFloat32});
  layer.range.low = layer.range.low * 0.9;
  try {
    FinishHqq("type: hqq", layer);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "layer: scheme 'hqq' needs quant.range minmax");
  }
  layer.weight[0][0] = std::nan("");
  EXPECT_THROW(FinishHqq("type: hqq", layer), Error);
}

TEST(FloatZeroGridTest, NearestCodesMissByHalfAStep) {
  const at::Tensor weight = RandomWeight(8, 64, 1);
  const QuantSpec spec{3, 32, GridKind::kFloatZero, ScaleType::kFloat32};
  const GroupLayout layout = GroupLayout::For(8, 64, 32);
  const at::Tensor groups = layout.Split(weight);
  const QuantizedWeight w =
      QuantizeAffine(groups, {}, MakeGrid(MinMaxRange(groups), spec), layout, spec);
  const at::Tensor gap = (w.Dequantize() - weight).abs().view({8, 2, 32});
  EXPECT_TRUE((gap <= w.scale.unsqueeze(2) * (0.5 + 1e-5)).all().item<bool>());
  EXPECT_FALSE(at::equal(w.zero, w.zero.round()));
  // 3 bits, and a scale and a zero point of 32 bits each for 32 weights.
  EXPECT_DOUBLE_EQ(w.BitsPerWeight(), 3 + 64.0 / 32);
}

}  // namespace
}  // namespace roundlab
