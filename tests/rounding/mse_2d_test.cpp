#include "rounding/ranges/mse_2d.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
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

// A norm of p lies between the largest error and that times 64^(1/p), of 64 errors.
TEST(Mse2dTest, HighNormsAreNearTheLargestError) {
  const QuantSpec spec{4, -1, GridKind::kAsym, ScaleType::kFloat32};
  const at::Tensor groups = RandomWeight(8, 64, 3) * 0.02;
  const auto largest = [&](const std::string& range) {
    const GroupRange found =
        RangeEstimators().FromText("type: " + range).make()->Estimate({"layer", groups, spec, {}});
    const AffineGrid grid = MakeGrid(found, spec);
    const GroupLayout layout = GroupLayout::For(groups.size(0), groups.size(1), -1);
    return (QuantizeAffine(groups, {}, grid, layout, spec).Dequantize() - groups).abs().amax(1);
  };
  const at::Tensor whole = largest("minmax");
  for (const char* type : {"mse", "mse_2d"}) {
    for (const double norm : {8.0, 40.0, 300.0, 3000.0}) {
      const at::Tensor found =
          largest(std::string(type) + "\nsteps: 20\nnorm: " + std::to_string(norm));
      EXPECT_TRUE((found <= whole * std::pow(64, 1 / norm) * 1.0001).all().item<bool>())
          << type << " " << norm;
    }
  }
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
