#include "rounding/range.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

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

TEST(RangeEstimatorsTest, AllAreDescribed) {
  EXPECT_THAT(RangeEstimators().Names(), ::testing::ElementsAre("minmax", "mse"));
  for (const std::string& name : RangeEstimators().Names()) {
    EXPECT_GT(RangeEstimators().Describe(name).size(), name.size() + 10);
  }
}

}  // namespace
}  // namespace roundlab
