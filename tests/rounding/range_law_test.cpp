#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "rounding/range.h"
#include "tests/rounding/scheme_cases.h"

namespace roundlab {
namespace {

using testing::MakeLayer;
using testing::RandomWeight;

/// Norm 2 where there is one: its errors are scaled exactly by a power of two.
std::string ExactRange(const std::string& name) {
  const bool powers = name == "mse" || name == "mse_2d";
  return "type: " + name + (powers ? "\nnorm: 2\nsteps: 10" : "");
}

class RangeLawTest : public ::testing::TestWithParam<std::string> {
 protected:
  /// For the grids that it searches on and widths that fill a row and do not.
  void ForAllGrids(const std::function<void(const QuantSpec&)>& check) const {
    for (const auto& [grid, name] : GridNames()) {
      if (!range_->SearchesOn(grid)) continue;
      for (const std::int64_t group : {32, 24, -1}) {
        for (const std::int64_t bits : {2, 3, 4, 8}) {
          const QuantSpec spec{bits, group, grid, ScaleType::kFloat32};
          SCOPED_TRACE(testing::ToString(spec));
          check(spec);
        }
      }
    }
  }
  GroupRange Of(const at::Tensor& weight, const QuantSpec& spec) const {
    LayerContext layer = MakeLayer(weight, spec);
    layer.range = {};
    return EstimatedRange(*range_, layer);
  }

  const std::shared_ptr<const RangeEstimator> range_ =
      RangeEstimators().FromText(ExactRange(GetParam())).make();
};
INSTANTIATE_TEST_SUITE_P(All, RangeLawTest, ::testing::ValuesIn(RangeEstimators().Names()),
                         [](const auto& of) { return of.param; });

TEST_P(RangeLawTest, RowsInAnotherOrderHaveTheSameRanges) {
  const at::Tensor weight = RandomWeight(8, 96, 1);
  const at::Tensor order = at::tensor({3, 0, 7, 1, 6, 2, 5, 4}, at::kLong);
  ForAllGrids([&](const QuantSpec& spec) {
    const auto rows = [](const at::Tensor& groups) { return groups.view({8, -1}); };
    const GroupRange one = Of(weight, spec);
    const GroupRange two = Of(weight.index_select(0, order), spec);
    EXPECT_TRUE(at::equal(rows(one.low).index_select(0, order), rows(two.low)));
    EXPECT_TRUE(at::equal(rows(one.high).index_select(0, order), rows(two.high)));
  });
}

TEST_P(RangeLawTest, PowersOfTwoScaleRanges) {
  const at::Tensor weight = RandomWeight(8, 96, 2);
  ForAllGrids([&](const QuantSpec& spec) {
    const GroupRange one = Of(weight, spec);
    for (const double factor : {0.25, 8.0}) {
      const GroupRange scaled = Of(weight * factor, spec);
      EXPECT_TRUE(at::equal(one.low * factor, scaled.low)) << factor;
      EXPECT_TRUE(at::equal(one.high * factor, scaled.high)) << factor;
    }
  });
}

TEST_P(RangeLawTest, MoreBitsNeverHurtNearestCodes) {
  const at::Tensor weight = RandomWeight(16, 96, 4);
  const auto nearest = RoundingSchemes().FromText("type: rtn").make();
  double last = INFINITY;
  ForAllGrids([&](const QuantSpec& spec) {
    if (!nearest->OnGrid(spec).takes) return;
    LayerContext layer = MakeLayer(weight, spec);
    layer.range = Of(weight, spec);
    const at::Tensor gap = nearest->Begin(layer)->Finish().Dequantize() - weight;
    const double error = gap.square().sum(at::kDouble).item<double>();
    EXPECT_LT(error, spec.bits > 2 ? last : INFINITY);
    last = error;
  });
}

}  // namespace
}  // namespace roundlab
