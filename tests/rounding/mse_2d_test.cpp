#include "rounding/ranges/mse_2d.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "core/quant/quantized_weight.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomWeight;

TEST(Mse2dTest, NeverWorseThanMinMaxAndFindsAShiftedRange) {
  const auto error = [](const std::string& range, const at::Tensor& groups, const QuantSpec& spec) {
    const GroupRange found =
        RangeEstimators().FromText("type: " + range).make()->Estimate({"layer", groups, spec, {}});
    const GroupLayout layout = GroupLayout::For(groups.size(0), groups.size(1), -1);
    const QuantizedWeight rounded = QuantizeAffine(groups, {}, MakeGrid(found, spec), layout, spec);
    return (rounded.Dequantize() - groups).abs().pow(2.4).mean(1);
  };
  for (const GridKind grid : {GridKind::kAsym, GridKind::kSym, GridKind::kSymFull}) {
    const QuantSpec spec{3, -1, grid, ScaleType::kFloat32};
    const at::Tensor groups = RandomWeight(8, 64, 3);
    EXPECT_TRUE((error("mse_2d", groups, spec) <= error("minmax", groups, spec) * (1 + 1e-5))
                    .all()
                    .item<bool>())
        << EnumName(grid, GridNames());
  }
  // One outlier below: the best range leaves it out and moves up.
  at::Tensor groups = at::linspace(0, 3, 64).reshape({1, 64}).to(at::kFloat);
  groups[0][0] = -3;
  const QuantSpec spec{2, -1, GridKind::kAsym, ScaleType::kFloat32};
  EXPECT_LT(error("mse_2d", groups, spec).item<double>(),
            0.9 * error("mse", groups, spec).item<double>());
}

// Where a range ends at 0, what rounding leaves of the end must not pass it.
TEST(Mse2dTest, RangesOfSmallGroupsHave0InThem) {
  const auto estimator = RangeEstimators().FromText("type: mse_2d").make();
  for (const std::int64_t width : {1, 3, 8}) {
    const LayerContext layer{
        "layer", RandomWeight(32, 24, 5), {4, width, GridKind::kAsym, ScaleType::kFloat32}, {}};
    EXPECT_EQ(testing::ErrorOf([&] { EstimatedRange(*estimator, layer); }), "");
  }
}

}  // namespace
}  // namespace roundlab
