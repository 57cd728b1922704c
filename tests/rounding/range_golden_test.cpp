#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/rounding/golden_cases.h"

namespace roundlab {
namespace {

using testing::GoldenMatch;
using testing::MatchesOf;

using testing::GoldenTensor;
using testing::TensorNear;

class RangeGoldenTest : public testing::GoldenTest {};

/// Mean |w - w^|^2.4 of each row on a grid [rows], which the search finds the least of.
at::Tensor SearchErrors(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero,
                        double code_max) {
  const auto column = [](const at::Tensor& t) { return t.to(at::kDouble).view({-1, 1}); };
  const at::Tensor w = weight.to(at::kDouble);
  const at::Tensor codes = ((w / column(scale)).round() + column(zero)).clamp(0, code_max);
  return (w - column(scale) * (codes - column(zero))).abs().pow(2.4).mean(1);
}

TEST_F(RangeGoldenTest, ScalesAndZeroPointsAreTheOriginals) {
  ROUNDLAB_GOLDENS_OR_SKIP(files, "flexround_lrq_golden");
  for (const std::string& path : files) {
    const SafetensorsFile file(path);
    const at::Tensor weight = GoldenTensor(file, "W");
    for (const GoldenMatch& m :
         MatchesOf(file, R"((init\.w(\d+)\.asym\.(minmax|search))\.scale)")) {
      SCOPED_TRACE(path + " " + m.str(1));
      const QuantSpec spec{std::stoll(m.str(2)), -1, GridKind::kAsym, ScaleType::kFloat32};
      const bool search = m.str(3) == "search";
      const auto estimator =
          RangeEstimators().FromText(search ? "type: mse_2d" : "type: minmax").make();
      const AffineGrid grid = MakeGrid(estimator->Estimate({"layer", weight, spec, {}}), spec);
      const at::Tensor scale = GoldenTensor(file, m.name).flatten();
      const at::Tensor zero = GoldenTensor(file, m.str(1) + ".zero").flatten();
      const at::Tensor off =
          ((grid.scale - scale).abs() > 1e-6 * scale).logical_or(grid.zero.to(at::kLong) != zero);
      if (!search) {
        EXPECT_FALSE(off.any().item<bool>());
        continue;
      }
      // Rows may have two grids of one error, between which the last bit decides.
      const at::Tensor ours = SearchErrors(weight, grid.scale, grid.zero, spec.CodeMax());
      const at::Tensor golden = SearchErrors(weight, scale, zero, spec.CodeMax());
      EXPECT_TRUE(TensorNear(ours.index({off}), golden.index({off}), 0, 1e-6));
    }
  }
}

}  // namespace
}  // namespace roundlab
