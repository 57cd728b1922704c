#include "core/quant/quantized_weight.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/quant/incoherence.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

TEST(QuantizedWeightTest, RoundToNearestTakesTheNearestOfEachGroupsGrid) {
  const at::Tensor weight = RandomTensor({3, 10}, 4).requires_grad_();
  const QuantSpec spec{3, 4, GridKind::kAsym, ScaleType::kFloat32};
  const QuantizedWeight rounded = RoundToNearest(weight, spec);
  EXPECT_EQ(rounded.scale.sizes(), at::IntArrayRef({3, 3}));
  for (std::int64_t row = 0; row < 3; ++row) {
    for (std::int64_t i = 0; i < 10; ++i) {
      const at::Tensor group = weight.detach()[row].slice(0, i / 4 * 4, i / 4 * 4 + 4);
      const double low = std::min(group.min().item<double>(), 0.0);
      const double high = std::max(group.max().item<double>(), 0.0);
      const double scale = (high - low) / 7;
      const double zero = std::round(-low / scale);
      const double w = weight[row][i].item<double>();
      double nearest = -zero * scale;
      for (int code = 0; code < 8; ++code) {
        const double value = scale * (code - zero);
        if (std::abs(value - w) < std::abs(nearest - w)) nearest = value;
      }
      EXPECT_NEAR(rounded.Dequantize()[row][i].item<double>(), nearest, 1e-6);
    }
  }
}

TEST(QuantizedWeightTest, AdditiveCodesAreSumsOfVectorsTimesTheRowsScale) {
  QuantizedWeight w;
  w.spec.bits = 2;
  w.codes = at::tensor({0, 3, 1, 2, 2, 0, 3, 3}, at::kByte).view({2, 2, 2});
  w.codebooks = RandomTensor({2, 4, 3}, 1);
  w.scale = at::tensor({2.0F, -0.5F}).view({2, 1});
  const at::Tensor decoded = w.Dequantize();
  ASSERT_EQ(decoded.sizes(), (at::IntArrayRef{2, 6}));
  EXPECT_TRUE(TensorNear(decoded[1].narrow(0, 3, 3), -0.5 * (w.codebooks[0][3] + w.codebooks[1][3]),
                         1e-7, 0));
  EXPECT_TRUE(
      TensorNear(decoded[0].narrow(0, 0, 3), 2 * (w.codebooks[0][0] + w.codebooks[1][3]), 1e-7, 0));
  // 8 codes of 2 bits, 24 values and 2 scales of 16, over 12 weights.
  EXPECT_EQ(w.BitsPerWeight(), (8 * 2 + 24 * 16 + 2 * 16) / 12.0);
  EXPECT_EQ(w.CodeCount(), 4);
  EXPECT_FALSE(w.OnGrid());
}

TEST(QuantizedWeightTest, ABasisIsUndoneBeforeOutliersArePutIn) {
  const at::Tensor weight = RandomTensor({4, 8}, 1);
  const IncoherentBasis basis = RandomBasis(4, 8, 2);
  const at::Tensor mixed = ToIncoherent(weight, basis);
  QuantizedWeight w;
  w.spec = {8, -1, GridKind::kAsym, ScaleType::kFloat16, false};
  w.codes = ((mixed * 32).round() + 128).to(at::kByte);
  w.scale = at::full({4, 1}, 1 / 32.0F);
  w.zero = at::full({4, 1}, 128.0F);
  w.row_signs = basis.row_signs;
  w.column_signs = basis.column_signs;
  at::Tensor mask = at::zeros({4, 8}, at::kBool);
  mask[2][5] = true;
  KeepApart(mask, at::full({4, 8}, 9.0F), &w);
  at::Tensor expected = FromIncoherent((w.codes.to(at::kFloat) - 128) / 32, basis);
  expected[2][5] = 9;
  EXPECT_TRUE(TensorNear(w.Dequantize(), expected, 1e-6, 0));
  // 32 codes of 8 bits, 4 scales of 16 and zero points of 8, 12 signs, an outlier of 48.
  EXPECT_EQ(w.BitsPerWeight(), (32 * 8 + 4 * 24 + 12 + 48) / 32.0);
}

}  // namespace
}  // namespace roundlab
