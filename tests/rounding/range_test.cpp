#include "rounding/range.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/kernels/ops.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomWeight;
using testing::TensorNear;

GroupRange Estimate(const std::string& recipe, const at::Tensor& groups, const QuantSpec& spec) {
  return RangeEstimators().FromText(recipe).make()->Estimate({"layer", groups, spec, {}});
}

/// sum |w^ - w|^norm of one group on [low, high], float32 where the grid is, sums in float64.
double RangeError(const at::Tensor& group, const GroupRange& range, const QuantSpec& spec,
                  double norm) {
  const AffineGrid grid = MakeGrid(range, spec);
  const GroupLayout layout = GroupLayout::For(1, group.numel(), -1);
  const at::Tensor rounded =
      QuantizeAffine(group.view({1, -1}), {}, grid, layout, spec).Dequantize();
  // QuantizeAffine names the group size of the spec; one row is one group whatever it is.
  return (rounded.view({-1}) - group).to(at::kDouble).abs().pow(norm).sum().item<double>();
}

GroupRange Shrunk(const at::Tensor& group, double p) {
  const GroupRange whole = MinMaxRange(group.view({1, -1}));
  return {whole.low * p, whole.high * p};
}

TEST(MinMaxEstimatorTest, IsTheRangeOfTheWeights) {
  const at::Tensor groups = RandomWeight(8, 32, 1);
  const GroupRange range = Estimate("type: minmax", groups, {});
  EXPECT_TRUE(TensorNear(range.low, MinMaxRange(groups).low, 0, 0));
  EXPECT_TRUE(TensorNear(range.high, MinMaxRange(groups).high, 0, 0));
}

TEST(MseEstimatorTest, AsBruteForceOverAllCandidates) {
  const at::Tensor groups = RandomWeight(8, 32, 1);
  for (const GridKind grid : {GridKind::kAsym, GridKind::kSym, GridKind::kSymFull}) {
    for (const std::int64_t bits : {2, 3, 4}) {
      const QuantSpec spec{bits, -1, grid, ScaleType::kFloat32, false};
      SCOPED_TRACE(testing::ToString(spec));
      const GroupRange found = Estimate("type: mse", groups, spec);
      for (std::int64_t g = 0; g < groups.size(0); ++g) {
        double least = std::numeric_limits<double>::infinity();
        double widest = 0;
        for (int i = 0; i < 80; ++i) {
          const double p = 1 - i / 100.0;
          const double error = RangeError(groups[g], Shrunk(groups[g], p), spec, 2.4);
          if (error < least) widest = p;
          least = std::min(least, error);
        }
        const GroupRange own{found.low.narrow(0, g, 1), found.high.narrow(0, g, 1)};
        EXPECT_NEAR(RangeError(groups[g], own, spec, 2.4), least, 1e-6 * least);
        const GroupRange best = Shrunk(groups[g], widest);
        EXPECT_TRUE(TensorNear(own.low, best.low, 0, 1e-6));
        EXPECT_TRUE(TensorNear(own.high, best.high, 0, 1e-6));
      }
    }
  }
}

TEST(MseEstimatorTest, NeverWorseThanMinMaxInItsOwnNorm) {
  const at::Tensor groups = RandomWeight(16, 64, 2);
  for (const char* norm : {"1", "2", "2.4", "4"}) {
    int better = 0;
    for (const std::int64_t bits : {2, 4, 8}) {
      const QuantSpec spec{bits, -1, GridKind::kAsym, ScaleType::kFloat16, false};
      const GroupRange found = Estimate(std::string("type: mse\nnorm: ") + norm, groups, spec);
      for (std::int64_t g = 0; g < groups.size(0); ++g) {
        const GroupRange own{found.low.narrow(0, g, 1), found.high.narrow(0, g, 1)};
        const double error = RangeError(groups[g], own, spec, std::stod(norm));
        const double plain = RangeError(groups[g], Shrunk(groups[g], 1), spec, std::stod(norm));
        EXPECT_LE(error, plain * (1 + 1e-6)) << "norm " << norm << " group " << g;
        better += error < plain ? 1 : 0;
      }
    }
    EXPECT_GT(better, 16) << norm;
  }
}

TEST(MseEstimatorTest, OptionsBoundTheSearch) {
  const at::Tensor groups = RandomWeight(8, 32, 1);
  const QuantSpec spec{2, -1, GridKind::kAsym, ScaleType::kFloat32, false};
  const GroupRange whole = MinMaxRange(groups);
  const GroupRange same = Estimate("type: mse\nshrink: 0", groups, spec);
  EXPECT_TRUE(TensorNear(same.low, whole.low, 0, 0));
  const GroupRange little = Estimate("type: mse\nshrink: 0.2\nsteps: 10", groups, spec);
  const at::Tensor factor = little.high / whole.high;  // 1 or 0.9: i < 0.2 * 10
  EXPECT_TRUE(
      ((factor - 1).abs() < 1e-6).logical_or((factor - 0.9).abs() < 1e-6).all().item<bool>());
}

TEST(MseEstimatorTest, GroupsOfZerosKeepTheirRange) {
  const GroupRange range =
      Estimate("type: mse", at::zeros({2, 8}), {4, -1, GridKind::kAsym, ScaleType::kFloat16});
  EXPECT_TRUE(TensorNear(range.low, at::full({2}, -1.0F), 0, 0));
  EXPECT_TRUE(TensorNear(range.high, at::full({2}, 1.0F), 0, 0));
}

/// Groups rounded to the nearest values of the range's grid.
at::Tensor Nearest(const at::Tensor& groups, const GroupRange& range, const QuantSpec& spec) {
  const AffineGrid grid = MakeGrid(range, spec);
  return FakeQuant(groups, {}, grid.scale, grid.zero, spec.CodeMax());
}

double WeightedError(const LayerContext& layer, const GroupRange& range) {
  const GroupLayout layout = layer.Layout();
  const at::Tensor rounded = layout.Join(Nearest(layout.Split(layer.weight), range, layer.spec));
  return ((rounded - layer.weight).square() * layer.inputs->square_mean).sum().item<double>();
}

TEST(MseEstimatorTest, WeightsCountByTheirInputs) {
  for (const std::int64_t group : {16, 24, -1, 0}) {
    const LayerContext layer = testing::MakeLayer(RandomWeight(8, 64, 1),
                                                  {2, group, GridKind::kAsym, ScaleType::kFloat32});
    const auto range = [&](const std::string& recipe) {
      return RangeEstimators().FromText(recipe).make()->Estimate(layer);
    };
    EXPECT_LT(WeightedError(layer, range("type: mse\nnorm: 2\nweight_by_inputs: true")),
              WeightedError(layer, range("type: mse\nnorm: 2")));
  }
  const auto weighted = RangeEstimators().FromText("type: mse\nweight_by_inputs: true").make();
  EXPECT_TRUE(weighted->Uses().inputs.square_mean);
  EXPECT_THROW(weighted->Estimate({"layer", RandomWeight(8, 32, 1), {}, {}}), Error);
}

TEST(EstimatedRangeTest, IsMinMaxOnGridsOfUnevenSteps) {
  const LayerContext layer =
      testing::MakeLayer(RandomWeight(8, 64, 1), {2, 16, GridKind::kPower, ScaleType::kFloat32});
  const auto mse = RangeEstimators().FromText("type: mse").make();
  const GroupRange range = EstimatedRange(*mse, layer);
  EXPECT_TRUE(TensorNear(range.low, layer.range.low, 0, 0));
  EXPECT_TRUE(TensorNear(range.high, layer.range.high, 0, 0));
}

TEST(AwqClipTest, LosesLessInOutputsAndLeavesQueryAndKey) {
  for (const std::int64_t group : {16, 24, -1, 0}) {
    LayerContext layer = testing::MakeLayer(RandomWeight(8, 64, 1),
                                            {2, group, GridKind::kAsym, ScaleType::kFloat32});
    const auto estimator = RangeEstimators().FromText("type: awq_clip").make();
    EXPECT_EQ(estimator->Uses().inputs.sample, 512);
    layer.name = "model.layers.0.self_attn.v_proj";
    const GroupRange clipped = estimator->Estimate(layer);
    EXPECT_TRUE((clipped.low >= layer.range.low).all().item<bool>());
    EXPECT_TRUE((clipped.high <= layer.range.high).all().item<bool>());
    // A group's output errors: what is searched for.
    const GroupLayout layout = layer.Layout();
    const auto error = [&](const GroupRange& range) {
      const at::Tensor gap =
          layout.Join(Nearest(layout.Split(layer.weight), range, layer.spec)) - layer.weight;
      double sum = 0;
      const std::int64_t width = std::min<std::int64_t>(layout.width, 64);
      for (std::int64_t at = 0; at < 64; at += width) {
        const std::int64_t count = std::min(width, 64 - at);
        sum += at::mm(layer.inputs->sample.narrow(1, at, count), gap.narrow(1, at, count).t())
                   .square()
                   .sum()
                   .item<double>();
      }
      return sum;
    };
    EXPECT_LT(error(clipped), error(layer.range));
    layer.name = "model.layers.0.self_attn.q_proj";
    EXPECT_TRUE(TensorNear(estimator->Estimate(layer).high, layer.range.high, 0, 0));
  }
}

TEST(AwqClipTest, WithoutUsableInputsTellsAndKeepsTheRange) {
  LayerContext layer = testing::MakeLayer(RandomWeight(8, 64, 1), {2, 16});
  const auto inputs = std::make_shared<InputStatistics>(*layer.inputs);
  inputs->sample = inputs->sample * std::numeric_limits<float>::quiet_NaN();
  layer.inputs = inputs;
  std::vector<std::string> told;
  layer.tell = [&](const std::string& text) { told.push_back(text); };
  const GroupRange range = RangeEstimators().FromText("type: awq_clip").make()->Estimate(layer);
  EXPECT_TRUE(TensorNear(range.high, layer.range.high, 0, 0));
  EXPECT_THAT(told,
              ::testing::ElementsAre("layer: range of its weights, since no input is usable"));
}

TEST(RangeEstimatorsTest, AllAreDescribed) {
  for (const std::string& name : RangeEstimators().Names()) {
    EXPECT_GT(RangeEstimators().Describe(name).size(), name.size() + 10);
  }
}

}  // namespace
}  // namespace roundlab
