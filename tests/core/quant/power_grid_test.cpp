#include "core/quant/power_grid.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/quant/quantized_weight.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

TEST(PowerGridTest, ValuesOfThreeBits) {
  EXPECT_TRUE(at::equal(PowerValues(3, 1),
                        at::tensor({-4.0F, -3.0F, -2.0F, -1.0F, 0.0F, 1.0F, 2.0F, 3.0F})));
  // sign(d) 3 (|d| / 3)^2
  EXPECT_TRUE(TensorNear(
      PowerValues(3, 0.5),
      at::tensor({-16 / 3.0F, -3.0F, -4 / 3.0F, -1 / 3.0F, 0.0F, 1 / 3.0F, 4 / 3.0F, 3.0F}), 0,
      1e-6));
}

TEST(PowerGridTest, PositionsUndoValues) {
  const at::Tensor scale = at::tensor({0.5F, 2.0F});
  for (const double exponent : {0.3, 0.7, 1.0, 2.0}) {
    const at::Tensor values = PowerValues(4, exponent).narrow(0, 1, 15);
    const at::Tensor positions = PowerPositions(scale.unsqueeze(1) * values, scale, exponent, 4);
    EXPECT_TRUE(TensorNear(positions, at::arange(-7, 8, at::kFloat).expand({2, 15}), 1e-5, 0));
  }
}

TEST(PowerGridTest, GridHasTheLargestWeightAtTheTop) {
  const QuantSpec spec{4, -1, GridKind::kPower, ScaleType::kFloat32};
  const AffineGrid grid = MakeGrid({at::tensor({-7.0F, -1.0F}), at::tensor({3.5F, 14.0F})}, spec);
  EXPECT_TRUE(at::equal(grid.scale, at::tensor({1.0F, 2.0F})));
  EXPECT_TRUE(at::equal(grid.zero, at::tensor({8.0F, 8.0F})));
  EXPECT_EQ(spec.ZeroBits(), 0);
}

TEST(PowerGridTest, WeightDecodesByItsExponentAndCountsIt) {
  QuantizedWeight w;
  w.spec = {3, 4, GridKind::kPower, ScaleType::kFloat16};
  w.codes = at::tensor({1, 2, 4, 7, 5, 4, 3, 1}, at::kByte).view({1, 8});
  w.scale = at::tensor({1.0F, 3.0F}).view({1, 2});
  w.zero = at::full({1, 2}, 4.0F);
  EXPECT_TRUE(
      at::equal(w.Dequantize(),
                at::tensor({-3.0F, -2.0F, 0.0F, 3.0F, 3.0F, 0.0F, -3.0F, -9.0F}).view({1, 8})));
  EXPECT_EQ(w.BitsPerWeight(), 3 + 2 * 16 / 8.0);
  w.exponent = at::full({1}, 0.5F);
  EXPECT_TRUE(TensorNear(
      w.Dequantize(),
      at::tensor({-3.0F, -4 / 3.0F, 0.0F, 3.0F, 1.0F, 0.0F, -1.0F, -9.0F}).view({1, 8}), 0, 1e-6));
  EXPECT_EQ(w.BitsPerWeight(), 3 + (2 * 16 + 32) / 8.0);
}

}  // namespace
}  // namespace roundlab
