#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "rounding/range.h"
#include "tests/rounding/golden_matches.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenMatch;
using testing::MatchesOf;

using testing::GoldenTensor;
using testing::TensorNear;

TEST(RangeGoldenTest, ScalesAndZeroPointsAreTheOriginals) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/methods/flexround_lrq_golden.safetensors");
  const SafetensorsFile file(path);
  for (const GoldenMatch& m : MatchesOf(file, R"((init\.w(\d+)\.asym\.(minmax|search))\.scale)")) {
    SCOPED_TRACE(m.str(1));
    const QuantSpec spec{std::stoll(m.str(2)), -1, GridKind::kAsym, ScaleType::kFloat32};
    const std::string type = m.str(3) == "search" ? "mse_2d" : "minmax";
    const auto estimator = RangeEstimators().FromText("type: " + type).make();
    const at::Tensor weight = GoldenTensor(file, "W");
    const AffineGrid grid = MakeGrid(estimator->Estimate({"layer", weight, spec, {}}), spec);
    const at::Tensor scale = GoldenTensor(file, m.name);
    EXPECT_TRUE(TensorNear(grid.scale.view(scale.sizes()), scale, 0, 1e-6));
    const at::Tensor zero = GoldenTensor(file, m.str(1) + ".zero");
    EXPECT_TRUE(TensorNear(grid.zero.view(zero.sizes()).to(at::kLong), zero, 0, 0));
  }
}

}  // namespace
}  // namespace roundlab
