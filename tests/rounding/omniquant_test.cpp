#include "rounding/schemes/omniquant.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::MakeLayer;
using testing::TensorNear;

TEST(OmniQuantTest, ClipsByTheSigmoidWithoutZeroInTheRange) {
  // 1.5 .. 3 at 2 bits: a step of 0.5, and the zero point is -3.
  const at::Tensor weight = at::tensor({1.5F, 2.0F, 2.5F, 3.0F}).view({1, 4});
  const LayerContext context = MakeLayer(weight, {2, -1, GridKind::kAsym, ScaleType::kFloat32});
  const QuantizedWeight whole = BeginLayer("type: omniquant\ninit: 40", context)->Finish();
  EXPECT_TRUE(TensorNear(whole.Dequantize(), weight, 1e-6, 0));
  EXPECT_EQ(whole.zero.item<double>(), -3);
  const double kept = 1 / (1 + std::exp(-4.0));
  const QuantizedWeight start = BeginLayer("type: omniquant", context)->Finish();
  EXPECT_NEAR(start.scale.item<double>(), 0.5 * kept, 1e-6);
  const QuantizedWeight with_zero =
      BeginLayer("type: omniquant\nown_range: false", context)->Finish();
  EXPECT_NEAR(with_zero.scale.item<double>(), kept, 1e-6);
  EXPECT_EQ(with_zero.zero.item<double>(), 0);
}

TEST(OmniQuantTest, CountsScalesThatAreHeld) {
  // A step of 5e4 in one row of two.
  const at::Tensor weight = at::tensor({0.0F, 1.5e5F, 0.0F, 3.0F}).view({2, 2});
  const LayerContext context = MakeLayer(weight, {2, -1, GridKind::kAsym, ScaleType::kFloat32});
  EXPECT_EQ(BeginLayer("type: omniquant", context)->Diagnose().at("held_scales"),
            std::vector<double>{1});
  EXPECT_EQ(
      BeginLayer("type: omniquant\nown_range: false", context)->Diagnose().count("held_scales"),
      0U);
}

}  // namespace
}  // namespace roundlab
